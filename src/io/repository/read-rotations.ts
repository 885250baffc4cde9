/**
 * The rotations of a repository's keys. A rotation is a link of the chain, so that two writers cannot disagree about
 * where it is; a copy of its head is in an object of its own, by which everybody finds it.
 */
import type { RepositoryDescription } from "../../repository/description.ts";
import { decodeHead, isAuthentic, type RotationHead } from "../../repository/head.ts";
import { rotationName } from "../../repository/names.ts";
import type { PrunedRange } from "../../repository/pruned.ts";
import type { Signers } from "../../repository/signers.ts";
import type { Store } from "../stores/store.ts";
import { isNotFound } from "./not-found.ts";

export interface Rotations {
  readonly signers: Signers;
  /** Who can read what is stored from now on. */
  readonly recipients: RepositoryDescription["recipients"];
  /** What had been pruned before the last of them: records that former keys signed are not accepted. */
  readonly pruned: readonly PrunedRange[];
}

/** A copy that its signer did not sign is none. */
export async function readRotations(store: Store, description: RepositoryDescription): Promise<Rotations> {
  const signers = [{ key: description.signer, from: 1 }];
  let newest: RotationHead | undefined;
  for (let number = 1; ; number++) {
    const head = await readRotation(store, number, description.id, signers);
    if (head === undefined) break;
    newest = head;
    signers.push({ key: head.signer, from: head.sequence + 1 });
  }
  return { signers, recipients: newest?.recipients ?? description.recipients, pruned: newest?.pruned ?? [] };
}

async function readRotation(
  store: Store,
  number: number,
  repository: string,
  signers: Signers,
): Promise<RotationHead | undefined> {
  const name = rotationName(number);
  let bytes: Uint8Array;
  try {
    bytes = await store.read(name);
  } catch (error) {
    if (isNotFound(error)) return undefined;
    throw error;
  }
  const signed = decodeHead(bytes, `${store.url}/${name}`);
  const head = signed?.head;
  if (signed === undefined || head?.kind !== "rotation" || head.repository !== repository) return undefined;
  return head.number === number && isAuthentic(signed, signers) ? head : undefined;
}
