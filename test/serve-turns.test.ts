/**
 * A request that looks at many objects lets others in between, however it asks: between two parts of its answer only
 * some objects are decoded.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { answerRequest } from "../src/kubeapi/answer.ts";
import type { World } from "../src/kubeapi/world.ts";
import { openHistory } from "../src/operations/serve/open-history.ts";
import { createWorlds } from "../src/operations/serve/worlds.ts";
import { openSnapshot, type Snapshot } from "../src/snapshot/open-snapshot.ts";
import { clusterEntries, madeSnapshot } from "./made-snapshot.ts";

const OBJECTS = 3000;
const MOST_DECODED = 600;

let directory: string;
let snapshot: Snapshot;
let world: World;
let looks = 0;

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), "turns-"));
  const objects = Array.from({ length: OBJECTS }, (_, i) => ({
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: { name: `map-${i}`, namespace: "default", labels: { app: i === OBJECTS - 1 ? "last" : "web" } },
    data: { key: "other" },
  }));
  const path = join(directory, "many.db");
  writeFileSync(path, madeSnapshot(clusterEntries(objects as never)));
  snapshot = await openSnapshot(path);
  const { history, prefix } = await openHistory(snapshot, {});
  const counted = {
    ...history,
    raw: (row: number) => {
      looks++;
      return history.raw(row);
    },
    decode: (row: number) => {
      looks++;
      return history.decode(row);
    },
  };
  const description = "a backup";
  const options = {
    history: counted,
    prefix,
    showSecrets: false,
    description,
    now: Date.now,
    backup: () => ({ members: [] }),
    inUserTerms: String,
    startContents: () => undefined,
  };
  world = createWorlds(options).at(history.lastRevision);
});
afterAll(() => {
  snapshot[Symbol.dispose]();
  rmSync(directory, { recursive: true, force: true });
});

const TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io";
test.each([
  ["", "application/json", OBJECTS],
  ["", "application/yaml", OBJECTS],
  ["", "application/cbor", OBJECTS],
  ["", "application/vnd.kubernetes.protobuf", OBJECTS],
  ["labelSelector=app=last", "application/json", 1],
  ["labelSelector=app!=web", "application/yaml", 1],
  ["labelSelector=app=last", "application/cbor", 1],
  ["labelSelector=app=last", "application/vnd.kubernetes.protobuf", 1],
  ["labelSelector=app=last&limit=500", "application/json", 1],
  ["labelSelector=app notin (web)&limit=500", TABLE, 1],
  ["fieldSelector=metadata.name=map-2999", TABLE, 1],
  ["labelSelector=app=none&watch=1", "application/json", 0],
  ["labelSelector=app!=web&watch=1&resourceVersion=1", "application/json", 1],
])("%s as %s", (query, accept, found) => {
  const url = new URL(`http://localhost/api/v1/configmaps?${query}`);
  const request = { method: "GET", path: url.pathname, query: url.searchParams, accept, host: "", body: undefined };
  const answer = answerRequest(request, world);
  expect(answer.status).toBe(200);
  looks = 0;
  let most = 0;
  const parts: Buffer[] = [];
  for (const part of answer.body) {
    most = Math.max(most, looks);
    looks = 0;
    parts.push(Buffer.from(part as string));
  }
  expect(Math.max(most, looks)).toBeLessThanOrEqual(MOST_DECODED);
  const text = Buffer.concat(parts).toString("latin1");
  expect([...text.matchAll(/map-\d+/g)].length).toBeGreaterThanOrEqual(found);
  expect(text.includes("map-2999")).toBe(found > 0);
  if (accept.includes("json") && !query.includes("watch")) expect(() => JSON.parse(text)).not.toThrow();
});
