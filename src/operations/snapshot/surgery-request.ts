/** What is to change in a snapshot, and what that comes to, object by object. */
import type { StorageEncoding } from "../../kube/object.ts";
import type { KeyEdit } from "./restore-keyspace.ts";

export interface SurgeryRequest {
  /** TYPE/NAME or TYPE. */
  readonly remove: readonly string[];
  /** Paths of YAML or JSON files. */
  readonly set: readonly string[];
  /** Another snapshot, and TYPE/NAME or TYPE of it. */
  readonly from: readonly string[];
  /** Undefined for all namespaces. */
  readonly namespace: string | undefined;
  /** For `remove` and `from`. */
  readonly selector: string;
}

export interface SurgeryEdit extends KeyEdit {
  /** `same`: nothing is to be done. */
  readonly action: "remove" | "add" | "replace" | "same";
  readonly name: string;
  /** How it is stored: empty for what is removed. */
  readonly encoding: StorageEncoding | "";
  /** Such as `aescbc key1`; empty where it is not encrypted. */
  readonly encryption: string;
}

export function hasSurgery(request: SurgeryRequest | undefined): boolean {
  return request !== undefined && request.remove.length + request.set.length + request.from.length > 0;
}
