/** `kubemend start` on a test bed's node: that it succeeds, is killed on the way, and what is to be seen afterwards. */
import { expect } from "vitest";
import type { Api } from "../../testbed/api.ts";
import type { Bed } from "../../testbed/bed.ts";
import { conditionOf } from "../../testbed/control-plane.ts";
import type { Node } from "../../testbed/node.ts";
import type { RunResult } from "../../testbed/processes.ts";
import { waitFor } from "../../testbed/wait.ts";
import { KUBEMEND } from "./rendered-cluster.ts";

/** What every start tells on its way, one after the other, as patterns of grep. */
const STEPS = ["temporary control plane:", "the API server is ready", "created .* objects", "handing over"];

export interface SignalledStart {
  readonly code: number | null;
  /** What it told until then. */
  readonly story: string;
}

/** Runs `start`, and sends it a signal once it has told that. */
export async function startAndSignal(
  node: Node,
  assetDir: string,
  signal: string,
  reported: string,
): Promise<SignalledStart> {
  const script = `log=/tmp/start-$$.log
"$@" 2>$log & pid=$!
until grep -q "${reported}" $log; do kill -0 $pid || { cat $log >&2; exit 99; }; sleep 0.1; done
kill -${signal} $pid; wait $pid; code=$?; cat $log >&2; rm $log; exit $code`;
  const command = [...KUBEMEND, "start", `--asset-dir=${assetDir}`, "--timeout=4m"];
  const { code, stderr } = await node.runForResult(["sh", "-c", script, "sh", ...command], { timeoutSeconds: 300 });
  if (code === 99) throw new Error(`start ended before "${reported}":\n${stderr}\n${node.kubelet?.lastLines(30)}`);
  if (process.env.KUBEMEND_E2E_STORY) process.stderr.write(`${stderr}-- ${signal} at "${reported}"\n`);
  return { code, story: stderr };
}

/**
 * Starts, and is killed at each of its steps in turn: first those given, then those of every start. The last start is
 * left alone. Returns what all of them told.
 */
export async function startKilledAtEveryStep(
  node: Node,
  assetDir: string,
  ownSteps: readonly string[] = [],
): Promise<string> {
  let story = "";
  for (const step of [...ownSteps, ...STEPS]) {
    const killed = await startAndSignal(node, assetDir, "KILL", step);
    expect(killed.code).toBe(137);
    story += killed.story;
  }
  const command = [...KUBEMEND, "start", `--asset-dir=${assetDir}`, "--timeout=5m"];
  const started = await node.runForResult(command, { timeoutSeconds: 400 });
  expectStarted(started, node);
  return story + started.stderr;
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
