/** `kubemend diagnose` on a test bed, and its commands run as printed. */
import { appendFileSync } from "node:fs";
import { expect } from "vitest";
import type { Trouble } from "../../src/diagnosis/trouble.ts";
import type { DiagnoseResult } from "../../src/operations/diagnose/diagnose.ts";
import type { ControlPlane } from "../../testbed/control-plane.ts";
import type { Kubernetes } from "../../testbed/kubernetes.ts";
import type { RunOptions, RunResult } from "../../testbed/processes.ts";
import { waitFor } from "../../testbed/wait.ts";
import { KUBEMEND } from "./rendered-cluster.ts";

export type Run = (command: readonly string[], options?: RunOptions) => Promise<RunResult>;

/** Where it runs. */
export interface Place {
  readonly run: Run;
  readonly flags: readonly string[];
  /** A directory for the programs that printed commands call. */
  readonly bin: string;
  readonly kubernetes: Kubernetes;
  /** `systemctl VERB UNIT`, of this machine or of a host: a test bed has no systemd. */
  systemctl(verb: string, unit: string, host: string | undefined): Promise<void>;
}

/** A control plane of processes: it is looked at from where they run, and a unit is the process of that name, or the etcd of a host. */
export function placeIn({ bed, authority, etcd, kubernetes }: ControlPlane): Place {
  const env = { KUBECONFIG: `${authority.directory}/admin-inside.kubeconfig` };
  return {
    run: (command, options) => bed.runForResult(command, { ...options, env: { ...env, ...options?.env } }),
    flags: [],
    bin: bed.path("bin"),
    kubernetes,
    async systemctl(_verb, unit, host) {
      const member = etcd.members.find(({ clientUrl }) => host !== undefined && clientUrl.includes(`//${host}:`));
      const name = unit === "etcd" ? member?.name : unit;
      if (name === undefined) throw new Error(`there is no "${unit}" on "${host}"`);
      await bed.processes.get(name)?.kill();
      bed.startAgain(name);
    },
  };
}

/** A test bed has no systemd, and commands of it are printed only where it runs: this makes the one sign of it, for one command alone. */
export function asWithSystemd(command: readonly string[]): string[] {
  const script = 'mkdir -p /run/systemd && mount -t tmpfs tmpfs /run/systemd && mkdir /run/systemd/system && exec "$@"';
  return ["unshare", "--mount", "sh", "-c", script, "sh", ...command];
}

export async function diagnoseAt({ run, flags }: Place): Promise<DiagnoseResult> {
  const { code, stdout, stderr } = await run(asWithSystemd([...KUBEMEND, "diagnose", ...flags, "-o", "json"]), {
    timeoutSeconds: 60,
  });
  if (stdout === "") throw new Error(`diagnose printed nothing: ${stderr}`);
  const result = JSON.parse(stdout) as DiagnoseResult;
  expect(code).toBe({ healthy: 0, broken: 1, unknown: 3 }[result.verdict]);
  return result;
}

/** Such as `error scheduler-down`, sorted as shown. */
export function namesOf({ troubles }: DiagnoseResult): string[] {
  return troubles.map(({ level, code }) => `${level} ${code}`);
}

/** Waits until these findings are made and no others. */
export async function diagnosed(place: Place, expected: readonly string[], seconds = 60): Promise<DiagnoseResult> {
  let last: DiagnoseResult | undefined;
  const found = await waitFor(
    `the diagnosis ${expected.join(", ") || "to be clean"}`,
    async () => {
      last = await diagnoseAt(place);
      return JSON.stringify(namesOf(last)) === JSON.stringify(expected) ? last : undefined;
    },
    { seconds, everyMilliseconds: 500, explain: () => JSON.stringify(last?.troubles, null, 1) },
  );
  await record(place);
  return found;
}

/** Records what a person sees for the documentation (`test/recorded`): without the flags that only a test bed needs. */
async function record(place: Place): Promise<void> {
  if (process.env.KUBEMEND_E2E_TRANSCRIPT === undefined) return;
  const { stdout } = await place.run(asWithSystemd([...KUBEMEND, "diagnose", ...place.flags]));
  recordRun("kubemend diagnose", stdout);
}

/** Appends to the file that `KUBEMEND_E2E_TRANSCRIPT` names, with the places of a real node for those of a test bed. */
function recordRun(command: string, output: string): void {
  const file = process.env.KUBEMEND_E2E_TRANSCRIPT;
  if (file === undefined) return;
  const text = `# ${expect.getState().currentTestName}\n$ ${command}\n${output}\n`
    .replace(
      /\/var\/lib\/kubemend-testbed\/\w+\/pki\/kubernetes\/admin-inside\.kubeconfig/g,
      "/etc/kubernetes/admin.conf",
    )
    .replace(/\/var\/lib\/kubemend-testbed\/\w+\//g, "/etc/kubernetes/");
  appendFileSync(file, text);
}

/** Runs commands as a person pastes them: kubemend and kubectl are those of the test. */
export async function runPrinted(
  commands: readonly string[],
  { run, bin, kubernetes, systemctl }: Place,
): Promise<void> {
  const script = (name: string, line: string) => `printf '#!/bin/sh\\n${line} "$@"\\n' >${bin}/${name}`;
  const setUp = [
    `mkdir -p ${bin}`,
    script("kubemend", `exec ${KUBEMEND.join(" ")}`),
    // What it remembers of the API is kept by address, and another cluster of the test bed may have had this one.
    script("kubectl", `exec ${kubernetes.program("kubectl")} --cache-dir=${bin}/cache`),
    script("sudo", "exec"),
    `chmod +x ${bin}/*`,
  ].join(" && ");
  for (const command of commands) {
    const unit = /^(?:ssh (\S+) )?sudo systemctl (start|restart) (\S+)$/.exec(command);
    if (unit !== null) {
      await systemctl(unit[2]!, unit[3]!, unit[1]);
      recordRun(command, "");
      continue;
    }
    const line = `${setUp} && export PATH=${bin}:$PATH && cd ${bin} && ${command}`;
    const { code, stderr, stdout } = await run(["sh", "-c", line], { timeoutSeconds: 400 });
    if (code !== 0) throw new Error(`"${command}" ended with ${code}: ${stderr}${stdout}`);
    recordRun(command, `${stderr}${stdout}`);
  }
}

/** What ended because something else was away may be left alone by the kubelet for minutes: what is printed then is run. */
async function untilStartedAgain(place: Place): Promise<void> {
  let restarted = Number.NEGATIVE_INFINITY;
  const look = async (): Promise<boolean> => {
    const { troubles } = await diagnoseAt(place);
    const [waiting] = troubles;
    const isDue = performance.now() - restarted > RESTARTS_MS;
    if (waiting?.code.endsWith("-crash-loop") && waiting.commands.length > 0 && isDue) {
      await runPrinted(waiting.commands, place);
      restarted = performance.now();
    }
    return troubles.length === 0;
  };
  await waitFor("the diagnosis to be clean", look, { seconds: 150, everyMilliseconds: 500 });
}

/** In which a kubelet that was restarted starts its pods. */
const RESTARTS_MS = 60_000;

/** The failure is named and nothing else, what is printed is run, and the diagnosis is clean again. Returns what was named. */
export async function mended(place: Place, expected: string, seconds = 60): Promise<Trouble> {
  const { troubles } = await diagnosed(place, [expected], seconds);
  const [trouble] = troubles;
  expect(trouble!.commands.length).toBeGreaterThan(0);
  await runPrinted(trouble!.commands, place);
  await untilStartedAgain(place);
  await diagnosed(place, [], 150);
  return trouble!;
}
