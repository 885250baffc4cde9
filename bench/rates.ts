/**
 * `npm run bench:rates`: how many pods one core decodes and encodes in a second, by CPU time, so that other work on the
 * machine matters little. In this process, with compiled code: the pods are the ones of generate-snapshot.ts.
 *
 * usage: node bench/rates.ts [--json FILE]
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import type { DecodedValue, KubeObject, StoredValue } from "../src/kube/object.ts";
import { openSnapshot } from "../src/snapshot/open-snapshot.ts";
import { readKeyspace, selectKeys } from "../src/snapshot/read-keyspace.ts";
import { decodeToText, decodeValue } from "../src/storage/decode.ts";
import { encodeObject } from "../src/storage/encode.ts";
import { generateSnapshot } from "./generate-snapshot.ts";
import { recordTable } from "./record.ts";

const PODS = 4000;
const ROUNDS = 5;

const { values } = parseArgs({ options: { json: { type: "string" } } });
const directory = mkdtempSync(join(tmpdir(), "kubemend-rates-"));
try {
  const path = join(directory, "snapshot.db");
  generateSnapshot(path, { pods: PODS, history: 100, seed: 5 });
  const pods = await readPods(path);
  const objects = pods.map((pod) => objectOf(decodeValue(pod)));
  const record = recordTable(["what", "us a pod", "pods a second and core"], { file: values.json });
  const rate = (what: string, work: (pod: StoredValue, i: number) => unknown): void => {
    const rounds = Array.from({ length: ROUNDS }, () => {
      const before = process.cpuUsage();
      for (let i = 0; i < pods.length; i++) work(pods[i]!, i);
      const { user, system } = process.cpuUsage(before);
      return (user + system) / pods.length;
    });
    const least = Math.min(...rounds);
    record.add(what, least.toFixed(1), String(Math.round(1e6 / least)));
  };
  rate("to JSON text, as `export` does", (pod) => decodeToText(pod));
  rate("to an object", (pod) => decodeValue(pod));
  rate("from an object", (_, i) => encodeObject(objects[i]!, { encoding: "protobuf" }));
  rate("from an object, like the stored one", (pod, i) =>
    encodeObject(objects[i]!, { encoding: "protobuf", like: pod.value }),
  );
  const bytes = Math.round(pods.reduce((sum, { value }) => sum + value.length, 0) / pods.length);
  record.end(`${pods.length} pods of ${bytes} bytes in protobuf, the least CPU time of ${ROUNDS} rounds`);
} finally {
  rmSync(directory, { recursive: true });
}

async function readPods(path: string): Promise<StoredValue[]> {
  using snapshot = await openSnapshot(path);
  const keyspace = await readKeyspace(snapshot, { select: [selectKeys("/registry/pods/")] });
  return Array.from(keyspace.entries(), ({ key, value, modRevision }) => ({
    key: Buffer.from(key).toString("utf8"),
    value: Uint8Array.from(value),
    modRevision,
  }));
}

function objectOf(decoded: DecodedValue): KubeObject {
  if (decoded.state !== "object") throw new Error(decoded.text);
  return decoded.object;
}
