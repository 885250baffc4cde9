/**
 * Saves one checkpoint of a pod with a secret, as the node agent does; run as a program, so that it can be recorded.
 */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { placesIn } from "../../src/checkpoint/data-directory.ts";
import { numbered } from "../../src/checkpoint/generation.ts";
import { sanitize } from "../../src/checkpoint/sanitize.ts";
import { CheckpointStore } from "../../src/io/agent/checkpoint-store.ts";
import type { DataObject } from "../../src/kube/data-object.ts";
import type { KubeObject } from "../../src/kube/object.ts";

const ID = "kube-system/DaemonSet/web";

const PARENT = {
  apiVersion: "v1",
  kind: "Pod",
  metadata: {
    name: "web-a",
    namespace: "kube-system",
    uid: "uid-web-a",
    ownerReferences: [{ apiVersion: "apps/v1", kind: "DaemonSet", name: "web", uid: "ds", controller: true }],
  },
  spec: {
    securityContext: { runAsUser: process.getuid?.() ?? 0, fsGroup: process.getgid?.() ?? 0 },
    containers: [{ name: "web", image: "web" }],
    volumes: [{ name: "keys", secret: { secretName: "keys" } }],
  },
} as unknown as KubeObject;

export async function saveCheckpoint(directory: string, number: number, secret: string): Promise<void> {
  const places = placesIn(directory);
  const data: DataObject = {
    kind: "Secret",
    namespace: "kube-system",
    name: "keys",
    data: new Map([["key", Buffer.from(secret)]]),
  };
  const draft = sanitize({ parent: PARENT, places, data: () => data, token: () => undefined, note: () => {} });
  const store = new CheckpointStore(places);
  store.open();
  await store.save(
    numbered(draft.manifest, { number, saved: "2026-01-01T00:00:00Z", proven: true }),
    draft.directories,
  );
}

/** The copies that the agent would run from, each with the secret that lies where its manifest says. */
export function loadCheckpoint(directory: string): { readonly number: number; readonly secret: string }[] {
  const store = new CheckpointStore(placesIn(directory));
  store.open();
  return (store.load().generations.get(ID) ?? []).map(({ number, data }) => {
    const place = data[0]!;
    const name = readdirSync(place)[0]!;
    return { number, secret: readFileSync(join(place, name), "utf8") };
  });
}

if (process.argv[1] === import.meta.filename) {
  const [directory, number, secret] = process.argv.slice(2);
  await saveCheckpoint(directory!, Number(number), secret!);
  process.stdout.write("saved\n");
}
