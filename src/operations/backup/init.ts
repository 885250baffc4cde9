/**
 * `backup init`: a new repository, and its two keys: one to write with, one to read with. The keys are written first. A
 * run that was interrupted after that is finished by the same command: it uses the keys that are there.
 */

import { randomBytes } from "node:crypto";
import { dirname } from "node:path";
import { MendError } from "../../errors/errors.ts";
import { realFileSystem } from "../../io/files/durable/file-system.ts";
import { openTarget } from "../../io/files/durable/target.ts";
import { missingFrom, removeEmpty, removeFile, writeOnce } from "../../io/files/durable/write-once.ts";
import { encodeIdentity } from "../../io/repository/identity.ts";
import { openStore } from "../../io/stores/open-store.ts";
import type { Store } from "../../io/stores/store.ts";
import type { StoreOptions } from "../../io/stores/store-options.ts";
import { encodeDescription } from "../../repository/description.ts";
import { DESCRIPTION_NAME, REPORTS } from "../../repository/names.ts";
import { encodeSigningKey, generateSigningKey, parseSigningKey } from "../../repository/signing.ts";
import { findBegun } from "./begun-keys.ts";

export interface InitOptions extends StoreOptions {
  /** Where the signing key goes, which who writes needs. */
  readonly signingKeyFile: string;
  /** Where the identity goes, which who reads needs; undefined where recipients are given or nothing is encrypted. */
  readonly identityFile: string | undefined;
  /** `age1…` each; empty for a new identity. */
  readonly recipients: readonly string[];
  /** Leave everything readable for whoever can read the store. */
  readonly unencrypted: boolean;
  readonly now: () => number;
}

export interface InitResult {
  readonly repository: string;
  readonly id: string;
  readonly signer: string;
  readonly signingKeyFile: string;
  readonly identityFile: string | null;
  readonly recipients: readonly string[] | null;
  /** Whether the store refuses a second object of the same name, so that several agents can share the repository. */
  readonly exclusive: boolean;
}

/**
 * Throws `already-exists` for a repository that is there, and for a key file that is there but of an init of the same
 * repository that was interrupted.
 */
export async function initRepository(address: string, options: InitOptions): Promise<InitResult> {
  await checkRecipients(options.recipients);
  const { signingKeyFile } = options;
  const missing = missingFrom(dirname(signingKeyFile));
  try {
    realFileSystem.makeDirectory(dirname(signingKeyFile), 0o700);
    // Two runs with the same files would mix their keys.
    using _lock = openTarget(signingKeyFile, { command: "backup init", kind: "file" });
    const store = await openStore(address, options);
    try {
      return await makeRepository(store, options);
    } finally {
      await store.close();
    }
  } catch (error) {
    await removeEmpty(missing);
    throw error;
  }
}

async function makeRepository(store: Store, options: InitOptions): Promise<InitResult> {
  const { signingKeyFile, identityFile, recipients, unencrypted } = options;
  const begun = await findBegun(store.url, signingKeyFile, identityFile);
  for await (const { name } of store.list("")) {
    if (name === DESCRIPTION_NAME) throw repositoryExists(store);
  }
  const exclusive = await isExclusive(store);
  const id = begun?.id ?? randomBytes(16).toString("hex");
  const pem = begun?.pem ?? generateSigningKey();
  const key = parseSigningKey(pem, signingKeyFile);
  const signer = key.publicKey;
  // The keys first: a repository without them would be of no use to anybody.
  const keys: [path: string, text: string][] = [];
  if (begun === undefined) keys.push([signingKeyFile, encodeSigningKey(pem, id, store.url)]);
  let own = begun?.recipient;
  if (identityFile !== undefined && own === undefined) {
    const { generateIdentity, identityToRecipient } = await import("age-encryption");
    const secret = await generateIdentity();
    own = await identityToRecipient(secret);
    keys.push([identityFile, encodeIdentity(secret, own, [signer], id)]);
  }
  await writeKeys(keys);
  const all = unencrypted ? null : [...(own === undefined ? [] : [own]), ...recipients];
  const created = new Date(options.now()).toISOString();
  const encoded = encodeDescription({ id, created, signer, recipients: all, exclusive }, key);
  if (!(await store.create(DESCRIPTION_NAME, encoded))) {
    for (const [path] of keys) await removeFile(path); // another run was first: they open nothing
    throw repositoryExists(store);
  }
  if (!Buffer.from(encoded).equals(await store.read(DESCRIPTION_NAME))) throw notKept(store);
  const identity = identityFile ?? null;
  return { repository: store.url, id, signer, signingKeyFile, identityFile: identity, recipients: all, exclusive };
}

async function checkRecipients(recipients: readonly string[]): Promise<void> {
  const { Encrypter } = await import("age-encryption");
  for (const recipient of recipients) {
    try {
      new Encrypter().addRecipient(recipient);
    } catch (error) {
      throw new MendError("usage", `"${recipient}" is not an age recipient`, {
        hint: "give a public key that begins with age1, as age-keygen prints it",
        cause: error,
      });
    }
  }
}

/** Asks the store itself: some accept the condition and do not keep it. */
async function isExclusive(store: Store): Promise<boolean> {
  const name = `${REPORTS}probe-${randomBytes(8).toString("hex")}`;
  try {
    await store.create(name, Buffer.from("first\n"));
    return !(await store.create(name, Buffer.from("second\n")));
  } finally {
    await store.remove(name).catch(() => {}); // whoever may only add cannot remove it: it is not in anybody's way
  }
}

/** All of them, or none. */
async function writeKeys(keys: readonly (readonly [path: string, text: string])[]): Promise<void> {
  const written: string[] = [];
  try {
    for (const [path, text] of keys) {
      if (!(await writeOnce(path, Buffer.from(text)))) {
        throw new MendError("already-exists", `"${path}" exists already`, { where: path, hint: "choose another path" });
      }
      written.push(path);
    }
  } catch (error) {
    for (const path of written) await removeFile(path);
    throw error;
  }
}

function notKept(store: Store): MendError {
  return new MendError("store-refused", `"${store.url}" does not give back what was stored there`, {
    where: store.url,
    hint: "check the address, and whether something else answers in the store's place",
  });
}

function repositoryExists(store: Store): MendError {
  return new MendError("already-exists", `there is a backup repository at "${store.url}" already`, {
    where: store.url,
    hint: "use it as it is, or choose another address",
  });
}
