/** `support-bundle`: what somebody who helps from afar needs to know of this machine and its cluster, without secrets. */

import { redact } from "../../diagnosis/redact.ts";
import { MendError } from "../../errors/errors.ts";
import { realFileSystem } from "../../io/files/durable/file-system.ts";
import { openTarget } from "../../io/files/durable/target.ts";
import { writeFile } from "../../io/files/durable/write-file.ts";
import { type MachineFacts, machineFacts, machineName } from "../../io/node/machine-facts.ts";
import { nodeVersion } from "../../io/node/own-identity.ts";
import type { JsonObject, JsonValue } from "../../kube/object.ts";
import { listCertificates } from "../certificate/list-certificates.ts";
import { type DiagnoseOptions, type DiagnoseResult, diagnoseCluster } from "../diagnose/diagnose.ts";
import { gatherLocal } from "../diagnose/gather/local-control-plane.ts";

export interface SupportBundleOptions extends DiagnoseOptions {
  readonly version: string;
  /** Whether names of machines and addresses stay. */
  readonly keepNames: boolean;
}

/** What is printed, as JSON. */
export interface SupportBundle extends JsonObject {
  readonly kubemend: JsonObject;
  readonly machine: JsonObject;
  /** Null on a machine that has nothing of a control plane and no kubelet. */
  readonly node: JsonObject | null;
  /** What `diagnose` found; null where it could not be asked, which `notGathered` explains. */
  readonly diagnosis: JsonObject | null;
  readonly notGathered: readonly JsonObject[];
}

/** Reads only. What cannot be learned is in `notGathered`. */
export async function gatherSupportBundle(options: SupportBundleOptions): Promise<SupportBundle> {
  const notGathered: { what: string; code: string; message: string }[] = [];
  const attempt = async <T>(what: string, look: () => T | Promise<T>): Promise<T | undefined> => {
    try {
      return await look();
    } catch (error) {
      options.signal.throwIfAborted();
      const code = error instanceof MendError ? error.code : "internal";
      notGathered.push({ what, code, message: error instanceof Error ? error.message : String(error) });
      return undefined;
    }
  };
  const now = options.now();
  const local = await attempt("node", () => gatherLocal(now, false));
  const places = { kubernetesDir: "/etc/kubernetes", kubeletDir: "/var/lib/kubelet" };
  const certificates = await attempt("certificates", () => listCertificates(places, now));
  const diagnosis = await attempt("diagnosis", () => diagnoseCluster(options));
  const bundle = asJson({
    kubemend: { version: options.version, node: nodeVersion(), time: new Date(now).toISOString() },
    machine: machineFacts() satisfies MachineFacts,
    node: local === undefined ? null : { ...local, addresses: local.addresses.length, certificates },
    diagnosis: diagnosis ?? null,
    notGathered,
  });
  const machines = options.keepNames ? undefined : [machineName(), local?.nodeName ?? "", ...namesIn(diagnosis)];
  return redact(bundle, { machines }) as SupportBundle;
}

/** Writes a new file, 0600. Throws `already-exists`. */
export async function writeSupportBundle(path: string, text: string): Promise<void> {
  const command = "support-bundle";
  using target = openTarget(path, { command, kind: "file" });
  const bytes = Buffer.from(text);
  await writeFile(realFileSystem, target, command, (file) => file.write(bytes, 0), { mustBeNew: true });
}

/** Names of machines that only the diagnosis knows. */
function namesIn(diagnosis: DiagnoseResult | undefined): readonly string[] {
  const server = diagnosis?.server?.replace(/:\d+$/, "").replace(/^\[|\]$/g, "") ?? "";
  const nodes = diagnosis?.troubles.flatMap(({ where }) => /^node\/([\w.-]+)/.exec(where)?.[1] ?? []) ?? [];
  return [/^[\d.:]*$/.test(server) ? "" : server, ...nodes];
}

/** Plain values only: dates as texts, without what is undefined. */
function asJson(value: unknown): JsonValue {
  return JSON.parse(JSON.stringify(value)) as JsonValue;
}
