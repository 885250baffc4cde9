/** `kubemend diagnose` on a test bed, and its commands run as printed. */
import { expect } from "vitest";
import type { DiagnoseResult } from "../../src/operations/diagnose.ts";
import type { ControlPlane } from "../../testbed/control-plane.ts";
import type { RunOptions, RunResult } from "../../testbed/processes.ts";
import { waitFor } from "../../testbed/wait.ts";
import { KUBEMEND } from "./rendered-cluster.ts";

export type Run = (command: readonly string[], options?: RunOptions) => Promise<RunResult>;

/** Where it runs, and with which flags. */
export interface Place {
  readonly run: Run;
  readonly flags: readonly string[];
}

export async function diagnoseAt({ run, flags }: Place): Promise<DiagnoseResult> {
  const { code, stdout, stderr } = await run([...KUBEMEND, "diagnose", ...flags, "-o", "json"], { timeoutSeconds: 60 });
  if (stdout === "") throw new Error(`diagnose printed nothing: ${stderr}`);
  const result = JSON.parse(stdout) as DiagnoseResult;
  expect(code).toBe(result.healthy ? 0 : 1);
  return result;
}

/** Such as `error scheduler-down`, sorted as shown. */
export function namesOf({ troubles }: DiagnoseResult): string[] {
  return troubles.map(({ level, code }) => `${level} ${code}`);
}

/** Waits until these findings are made and no others. */
export async function diagnosed(place: Place, expected: readonly string[], seconds = 60): Promise<DiagnoseResult> {
  let last: DiagnoseResult | undefined;
  return waitFor(
    `the diagnosis ${expected.join(", ") || "to be clean"}`,
    async () => {
      last = await diagnoseAt(place);
      return JSON.stringify(namesOf(last)) === JSON.stringify(expected) ? last : undefined;
    },
    { seconds, everyMilliseconds: 500, explain: () => JSON.stringify(last?.troubles, null, 1) },
  );
}

/** How a test bed does what a machine's own programs would: `systemctl`, `ssh`. */
export interface Machine {
  /** `systemctl start|restart UNIT` on this machine, or on a host. */
  systemctl(verb: string, unit: string, host: string | undefined): Promise<void>;
}

/** Runs commands as a person pastes them: kubemend and kubectl are those of the test, everything else is the machine's. */
export async function runPrinted(
  commands: readonly string[],
  plane: ControlPlane,
  { run }: Place,
  machine?: Machine,
): Promise<void> {
  const bin = plane.bed.path("bin");
  const admin = `${plane.authority.directory}/admin-inside.kubeconfig`;
  const link = (name: string, target: string) => `printf '#!/bin/sh\\nexec ${target} "$@"\\n' >${bin}/${name}`;
  const setUp = [
    `mkdir -p ${bin}`,
    link("kubemend", KUBEMEND.join(" ")),
    link("kubectl", plane.kubernetes.program("kubectl")),
    `printf '#!/bin/sh\\nexec "$@"\\n' >${bin}/sudo`,
    `chmod +x ${bin}/*`,
  ].join(" && ");
  for (const command of commands) {
    const unit = /^(?:ssh (\S+) )?sudo systemctl (start|restart) (\S+)$/.exec(command);
    if (unit !== null && machine !== undefined) {
      await machine.systemctl(unit[2]!, unit[3]!, unit[1]);
      continue;
    }
    const script = `${setUp} && export PATH=${bin}:$PATH KUBECONFIG=\${KUBECONFIG:-${admin}} && ${command}`;
    const { code, stderr, stdout } = await run(["sh", "-c", script], { timeoutSeconds: 300 });
    if (code !== 0) throw new Error(`"${command}" ended with ${code}: ${stderr}${stdout}`);
  }
}
