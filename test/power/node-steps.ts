/**
 * Steps of an operation of `cluster ...` on one node, one after the other, each as its leader asks for it; run as a
 * program, so that it can be recorded. The node's `/etc`, `/var/lib` and `/var/log` are directories of the one that is
 * given; nothing of this machine is seen or reached.
 */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { appendFileSync, readFileSync } from "node:fs";
import { type AuditTrail, withAuditTrail } from "../../src/io/audit/audit-trail.ts";
import { runStep, type StepRequest } from "../../src/operations/cluster/node/run-step.ts";

const PLACES = ["etc", "var/lib", "var/log"];
const WITHIN = "KUBEMEND_POWER_WITHIN";
/** A file that gets a line for each change that the steps record. */
export const AUDIT = "KUBEMEND_POWER_AUDIT";
/** For the recorder. */
export const NODE_MOUNTS = { KUBEMEND_RECORD_MOUNTS: PLACES.map((place) => `/${place}=${place}`).join(":") };

/**
 * Words for `unshare`: the steps in a node's namespaces. `file` is one of {@link StepRequest}s, as lines of JSON; `payload`
 * follows the first.
 */
function wordsOfSteps(directory: string, file: string, payload: string, recorder: readonly string[] = []): string[] {
  const binds = PLACES.map((place) => `mount --bind '${directory}/${place}' '/${place}'`);
  // The first process of a namespace cannot be killed from inside.
  const script = ["set -e", ...binds, "mount -t proc proc /proc", '"$@"', "exit $?"].join("\n");
  const program = [process.execPath, ...recorder, import.meta.filename, directory, file, payload];
  return [...["--mount", "--pid", "--net", "--fork", "--kill-child"], "sh", "-c", script, "sh", ...program];
}

const environment = (): NodeJS.ProcessEnv => ({ ...process.env, KUBEMEND_AUDIT_LOG: "off", [WITHIN]: "1" });

/** The same without waiting, for whoever kills it. */
export function startSteps(directory: string, file: string, payload: string): ChildProcess {
  const words = wordsOfSteps(directory, file, payload);
  return spawn("unshare", words, { env: environment(), stdio: ["ignore", "ignore", "pipe"] });
}

/** Throws where a step fails. */
export function takeSteps(directory: string, file: string, payload: string, recorder: readonly string[] = []): string {
  const words = wordsOfSteps(directory, file, payload, recorder);
  const { status, stdout, stderr } = spawnSync("unshare", words, { env: environment(), encoding: "utf8" });
  if (status !== 0) throw new Error(`${stdout}${stderr}`);
  return stdout;
}

async function* bytesOf(path: string): AsyncGenerator<Uint8Array> {
  yield readFileSync(path);
}

async function takeAll(file: string, payload: string): Promise<void> {
  const requests = readFileSync(file, "utf8").trim().split("\n");
  const log = process.env[AUDIT];
  const trail: AuditTrail = {
    change: (change) => {
      if (log !== undefined) appendFileSync(log, `${JSON.stringify(change)}\n`);
    },
    evidence: () => {},
  };
  for (const line of requests) {
    const request = JSON.parse(line) as StepRequest;
    const edges = { input: bytesOf(payload), report: () => {}, signal: new AbortController().signal };
    await withAuditTrail(trail, () => runStep(request, edges));
    process.stdout.write(`${request.step}\n`);
  }
}

if (process.argv[1] === import.meta.filename) {
  const [directory = "", file = "", payload = ""] = process.argv.slice(2);
  if (process.env[WITHIN] === undefined) {
    const own = process.execArgv.filter((word) => word.startsWith("--import="));
    takeSteps(directory, file, payload, own);
  } else await takeAll(file, payload);
}
