/** `kubemend start` on a test bed's node: that it succeeds, is killed on the way, and what is to be seen afterwards. */
import { expect } from "vitest";
import type { Api } from "../../testbed/api.ts";
import type { Bed } from "../../testbed/bed.ts";
import { conditionOf } from "../../testbed/control-plane.ts";
import type { Node } from "../../testbed/node.ts";
import type { RunResult } from "../../testbed/processes.ts";
import { waitFor } from "../../testbed/wait.ts";
import { KUBEMEND } from "./rendered-cluster.ts";

/** What a start tells on its way, one after the other, as patterns of grep. */
export const STEPS = ["temporary control plane:", "the API server is ready", "created .* objects", "handing over"];

const seed = Number(process.env.KUBEMEND_E2E_SEED ?? Math.floor(Math.random() * 2 ** 31));
let drawn = 0;

/** One of them by chance: `KUBEMEND_E2E_SEED` draws the same ones again. */
export function anyStep(): string {
  // The 32-bit mixer of MurmurHash3.
  let hash = (seed + Math.imul(++drawn, 0x9e3779b9)) | 0;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  const step = STEPS[((hash ^ (hash >>> 16)) >>> 0) % STEPS.length]!;
  process.stderr.write(`start is killed at "${step}" (KUBEMEND_E2E_SEED=${seed})\n`);
  return step;
}

/** Runs `start`, and sends it a signal once it has told that. Returns its exit code. */
export async function startAndSignal(
  node: Node,
  assetDir: string,
  signal: string,
  told: string,
): Promise<number | null> {
  const script = `log=/tmp/start-$$.log
"$@" 2>$log & pid=$!
until grep -q "${told}" $log; do kill -0 $pid || { cat $log >&2; exit 99; }; sleep 0.1; done
kill -${signal} $pid; wait $pid; code=$?; rm $log; exit $code`;
  const command = [...KUBEMEND, "start", `--asset-dir=${assetDir}`, "--timeout=4m"];
  const result = await node.runForResult(["sh", "-c", script, "sh", ...command], { timeoutSeconds: 300 });
  if (result.code === 99) throw new Error(`start ended before "${told}":\n${result.stderr}`);
  return result.code;
}

/** Starts, is killed at some step, and starts again. Returns the story of the second one. */
export async function startKilledOnce(node: Node, assetDir: string): Promise<string> {
  expect(await startAndSignal(node, assetDir, "KILL", anyStep())).toBe(137);
  const command = [...KUBEMEND, "start", `--asset-dir=${assetDir}`, "--timeout=5m"];
  const started = await node.runForResult(command, { timeoutSeconds: 400 });
  expectStarted(started, node);
  return started.stderr;
}

/** Fails with what `start` told and what the kubelet said. */
export function expectStarted(started: RunResult, node: Node): void {
  if (process.env.KUBEMEND_E2E_STORY) process.stderr.write(started.stderr);
  if (started.code === 0) return;
  throw new Error(`start ended with ${started.code}:\n${started.stderr}\n${node.kubelet?.lastLines(30)}`);
}

export async function expectNothingTemporary(node: Node, permanent = ""): Promise<void> {
  expect(await node.run(["ls", "-A", "/etc/kubernetes/manifests"])).toBe(permanent);
  expect((await node.runForResult(["ls", "/etc/kubernetes/bootstrap-secrets"])).code).not.toBe(0);
}

/** Waits until that many pods of the web Deployment, and no others, run and serve. */
export async function expectWebServes(
  { api, bed }: { readonly api: Api; readonly bed: Bed },
  count: number,
): Promise<void> {
  let seen = "";
  const pods = await waitFor(
    "the web pods",
    async () => {
      const list = await api.list("/api/v1/namespaces/default/pods?labelSelector=app%3Dweb");
      seen = list
        .map((pod) => `${pod.metadata.name} on ${pod.spec.nodeName}: ${JSON.stringify(pod.status.conditions)}`)
        .join("\n");
      const ready = list.filter((pod) => conditionOf(pod, "Ready") === "True" && !pod.metadata.deletionTimestamp);
      return ready.length === count ? ready : undefined;
    },
    { seconds: 120, explain: () => seen },
  );
  for (const pod of pods) {
    const answer = await waitFor("a web pod to serve", () =>
      bed.run(["busybox", "wget", "-qO-", `http://${pod.status.podIP}:8080`], { timeoutSeconds: 5 }),
    );
    expect(answer).toBe(`${pod.metadata.name}\n`);
  }
}
