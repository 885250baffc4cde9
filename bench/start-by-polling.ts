/**
 * `kubemend start` as bootkube waited: a look every 5 s at the API server and then at the pods, and leases that run out
 * by themselves. Everything else, and above all what has to be so before it continues, is `start` itself. Run on a
 * master: start-by-polling.ts ASSET_DIR
 */
import { setTimeout as sleep } from "node:timers/promises";
import { BOOTSTRAP_SECRETS_DIR } from "../src/bootstrap/fix-up.ts";
import { placeFiles } from "../src/io/files/bootstrap-files.ts";
import { VIEWED } from "../src/operations/start/cluster-view.ts";
import { thisMachine } from "../src/operations/start/machine.ts";
import { prepareStart } from "../src/operations/start/prepare-start.ts";
import { runStart } from "../src/operations/start/run-start.ts";
import { tearDown } from "../src/operations/start/start.ts";
import { apiServerState } from "../src/operations/start/start-api-server.ts";
import { PolledObjects } from "./polled-objects.ts";

/** `wait.Poll(5*time.Second, …)` in bootkube's pkg/bootkube/create.go and status.go. */
const INTERVAL_MS = 5000;

const signal = new AbortController().signal;
const start = await prepareStart({
  machine: { ...thisMachine(), hasLogged: () => false }, // so that no lease is given up
  assetDir: process.argv[2]!,
  podManifestPath: "/etc/kubernetes/manifests",
  secretsDir: BOOTSTRAP_SECRETS_DIR,
  requiredPods: undefined,
  strict: false,
  timeoutMs: 600_000,
  signal,
  now: Date.now,
  report: (text) => console.error(text),
});
try {
  await placeFiles(start.places, start.plan.secrets, start.pods);
  do await sleep(INTERVAL_MS);
  while ((await apiServerState(start.api, signal)).state !== "ready");
  await runStart(start, () => new PolledObjects(start.api, VIEWED, INTERVAL_MS));
} finally {
  start.api.close();
  await tearDown(start);
}
