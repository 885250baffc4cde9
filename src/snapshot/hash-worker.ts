/** The thread that `hash-snapshot.ts` starts: hashes a file by its descriptor and sends the digest. */
import { isMainThread, parentPort, workerData } from "node:worker_threads";
import { descriptorSource } from "../io/files/file-source.ts";
import { type HashOrder, sha256 } from "./hash-snapshot.ts";

if (!isMainThread) {
  const { descriptor, name, size } = workerData as HashOrder;
  parentPort?.postMessage(sha256(descriptorSource(descriptor, name, size)));
}
