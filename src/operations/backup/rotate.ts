/**
 * `backup rotate`: other keys for a repository, from its next link on. Agents that have the former key stop and say so.
 * A rotation that was interrupted is finished by running it again.
 */
import { existsSync } from "node:fs";
import { defined } from "../../errors/defined.ts";
import { MendError } from "../../errors/errors.ts";
import { writeOnce } from "../../io/files/durable/write-once.ts";
import { encodeIdentity, readIdentity } from "../../io/repository/identity.ts";
import { readLinks } from "../../io/repository/read-links.ts";
import { openRepository } from "../../io/repository/repository.ts";
import { sealBytes } from "../../io/repository/seal.ts";
import { openStore } from "../../io/stores/open-store.ts";
import type { Store } from "../../io/stores/store.ts";
import { decodeHead, type RotationHead, type SignedHead } from "../../repository/head.ts";
import { rotationName } from "../../repository/names.ts";
import { currentSigner } from "../../repository/signers.ts";
import { generateSigningKey } from "../../repository/signing.ts";
import { openForWriting, readSigningKey, type WritableRepository, type WriteAccess } from "./open-for-writing.ts";

export interface RotateOptions extends WriteAccess {
  /** Where the new signing key goes. One that is there already is used: it is that of a rotation that was interrupted. */
  readonly newSigningKeyFile: string;
  /** Where a new identity goes; undefined to leave who can read as it is, or to let only `recipients` read. */
  readonly newIdentityFile: string | undefined;
  /** The identity until now: what it opens, the new identity file opens too. */
  readonly identityFile: string | undefined;
  /** `age1…` each, who can read from now on, besides the new identity. */
  readonly recipients: readonly string[];
}

export interface RotateResult {
  readonly repository: string;
  /** How many rotations there have been, this one included. */
  readonly number: number;
  /** The first link that the new key signs. */
  readonly fromLink: number;
  readonly signer: string;
  readonly signingKeyFile: string;
  readonly identityFile: string | null;
  /** Who can read what is stored from now on; null for a repository that is not encrypted. */
  readonly recipients: readonly string[] | null;
}

/** Throws `config-invalid` where the signing key is not the repository's, `already-exists` for an identity file that is there. */
export async function rotateKeys(address: string, options: RotateOptions): Promise<RotateResult> {
  const { newSigningKeyFile, newIdentityFile, recipients } = options;
  const finished = existsSync(newSigningKeyFile) ? await findFinished(address, options) : undefined;
  if (finished !== undefined) return finished;
  const old = options.identityFile === undefined ? undefined : readIdentity(options.identityFile);
  const writable = await openForWriting(address, { ...options, isRotating: true });
  const { repository, appender, links } = writable;
  const { store, description, signers } = repository;
  try {
    const number = signers.length;
    const interrupted = links.at(-1)?.signed;
    if (interrupted?.head.kind === "rotation" && interrupted.head.number === number) {
      return await finish(writable, interrupted, options);
    }
    if (description.recipients === null && (newIdentityFile !== undefined || recipients.length > 0)) {
      throw new MendError("usage", `"${store.url}" is not encrypted, so it has no identity`, {
        where: store.url,
        hint: "replace the signing key alone, or make another repository",
      });
    }
    const signer = await newSigner(newSigningKeyFile);
    const trusted = [...signers.map(({ key }) => key), signer];
    const own = newIdentityFile === undefined ? [] : [await newReader(newIdentityFile, trusted)];
    const readers = [...own, ...recipients];
    const all = readers.length === 0 ? description.recipients : readers;
    const { pruned } = await readLinks(repository);
    const { bytes, content } = await sealBytes(new Uint8Array(0), null);
    const signed = await appender.append(
      { kind: "rotation", content, number, signer, recipients: all === null ? null : [...all], pruned: [...pruned] },
      bytes,
    );
    return await finish(writable, defined(signed), options);
  } finally {
    await store.close();
  }

  /** The keys are on the disk before anything depends on them. */
  async function newSigner(path: string): Promise<string> {
    if (!existsSync(path)) await writeOnce(path, Buffer.from(generateSigningKey()));
    const { publicKey } = readSigningKey(path);
    if (signers.some(({ key }) => key === publicKey)) {
      throw new MendError("usage", `"${path}" holds a signing key of this repository's already`, {
        where: path,
        hint: "name another file for the new key",
      });
    }
    return publicKey;
  }

  /** Returns the recipient of an identity that is on the disk: a new one, or that of a rotation that was interrupted. */
  async function newReader(path: string, trusted: readonly string[]): Promise<string> {
    const { generateIdentity, identityToRecipient } = await import("age-encryption");
    const former = old?.keys ?? [];
    if (existsSync(path)) {
      // Only this rotation's own file names the new signer, which nothing else has used.
      const { keys, signers: named } = readIdentity(path);
      const held = keys.map((key) => key.expose());
      const isOwn = named.join() === trusted.join() && former.every((key) => held.includes(key.expose()));
      if (!isOwn || held.length !== former.length + 1) throw alreadyThere(path);
      return await identityToRecipient(defined(held[0]));
    }
    const secret = await generateIdentity();
    const recipient = await identityToRecipient(secret);
    const text = encodeIdentity(secret, recipient, trusted, description.id, former);
    if (!(await writeOnce(path, Buffer.from(text)))) throw alreadyThere(path);
    return recipient;
  }
}

/** This very rotation, where it was done and its result was never seen: the last one is from the one key to the other. */
async function findFinished(address: string, options: RotateOptions): Promise<RotateResult | undefined> {
  const store = await openStore(address, options);
  try {
    const { signers } = await openRepository(store);
    const former = signers.at(-2)?.key;
    if (former !== readSigningKey(options.signingKeyFile).publicKey) return undefined;
    if (currentSigner(signers).key !== readSigningKey(options.newSigningKeyFile).publicKey) return undefined;
    const head = rotationOf(await store.read(rotationName(signers.length - 1)), store);
    return resultOf(head, store, options);
  } finally {
    await store.close();
  }
}

function rotationOf(bytes: Uint8Array, store: Store): RotationHead {
  const head = decodeHead(bytes, store.url)?.head;
  if (head?.kind !== "rotation") throw new MendError("internal", "a rotation was written, and is none");
  return head;
}

/** Writes the copy by which everybody finds the rotation. */
async function finish(
  { repository }: WritableRepository,
  signed: SignedHead,
  options: RotateOptions,
): Promise<RotateResult> {
  const { store } = repository;
  const { newSigningKeyFile } = options;
  const head = rotationOf(signed.bytes, store);
  if (readSigningKey(newSigningKeyFile).publicKey !== head.signer) {
    throw new MendError(
      "config-invalid",
      `"${newSigningKeyFile}" is not the key of the rotation that was interrupted`,
      {
        where: newSigningKeyFile,
        hint: `give the file of the key ${head.signer}`,
      },
    );
  }
  const name = rotationName(head.number);
  if (!(await store.create(name, signed.bytes))) {
    throw new MendError("repository-damaged", `"${store.url}/${name}" is not the rotation of the chain`, {
      where: `${store.url}/${name}`,
      hint: "somebody else wrote it: look at who can write to the store",
    });
  }
  return resultOf(head, store, options);
}

function resultOf(
  head: RotationHead,
  store: Store,
  { newSigningKeyFile, newIdentityFile }: RotateOptions,
): RotateResult {
  return {
    repository: store.url,
    number: head.number,
    fromLink: head.sequence + 1,
    signer: head.signer,
    signingKeyFile: newSigningKeyFile,
    identityFile: newIdentityFile ?? null,
    recipients: head.recipients,
  };
}

function alreadyThere(path: string): MendError {
  return new MendError("already-exists", `"${path}" exists already`, { where: path, hint: "choose another path" });
}
