/**
 * The control plane of this machine as its files and processes show it: static pod manifests, command lines, units, the
 * last words of containers.
 */

import { existsSync, statSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { type EtcdSettings, etcdSettings } from "../../controlplane/static-etcd.ts";
import type { ComponentLog } from "../../diagnosis/facts.ts";
import { defined } from "../../errors/defined.ts";
import type { ComponentName } from "../../kube/component.ts";
import { containerIndexOf, recogniseComponent } from "../../kube/component.ts";
import { containerFlags, type Flag } from "../../kube/container-flags.ts";
import { objectOf, objectsOf, textOf } from "../../kube/fields.ts";
import type { JsonObject } from "../../kube/object.ts";
import { readYaml } from "../../kube/read-yaml.ts";
import { names, readQuietly } from "../files/quiet-reads.ts";
import { readTextFile } from "../files/read-file.ts";
import { ageOf, commandLine, processes, sharesNetwork } from "./local-node.ts";

const POD_LOGS = "/var/log/pods";
const NAMES: ReadonlySet<string> = new Set(["etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler"]);
const HYPERKUBE: Readonly<Record<string, ComponentName>> = {
  apiserver: "kube-apiserver",
  "controller-manager": "kube-controller-manager",
  scheduler: "kube-scheduler",
};
/** Where administrators and bootkube's checkpointer put manifests away. */
const STRAY_DIRS = [
  "/etc/kubernetes",
  "/etc/kubernetes/manifests.bak",
  "/etc/kubernetes/manifests-backup",
  "/root",
  "/tmp",
];
const CHECKPOINTS = "/etc/kubernetes/inactive-manifests";
/** Where systemd keeps what is enabled. */
const UNIT_LINKS = ["/etc/systemd/system/multi-user.target.wants"];
const ETCD_DATA = ["/var/lib/etcd", "/var/lib/etcd/default"];
/** A manifest is small, and so is the end of a log that is worth showing. */
const MOST_BYTES = 1 << 20;
const LOG_TAIL_BYTES = 16 << 10;

export interface ComponentProcess {
  readonly name: ComponentName;
  readonly pid: number;
  readonly ageMilliseconds: number;
  readonly flags: readonly Flag[];
}

/** Those that run with this machine's network, in containers or not. */
export function componentProcesses(): ComponentProcess[] {
  return processes().flatMap((pid) => {
    const words = commandLine(pid);
    const program = basename(words[0] ?? "");
    const name = program === "hyperkube" ? basename(words[1] ?? "") : program;
    const component = NAMES.has(name) ? (name as ComponentName) : program === "hyperkube" ? HYPERKUBE[name] : undefined;
    if (component === undefined || !sharesNetwork(pid)) return [];
    return [{ name: component, pid, ageMilliseconds: ageOf(pid), flags: containerFlags({ command: words }) }];
  });
}

export interface ComponentManifest {
  readonly name: ComponentName;
  readonly path: string;
  /** Why it cannot be read. */
  readonly fault: string | undefined;
  readonly flags: readonly Flag[];
  /** Of etcd. */
  readonly etcd?: EtcdSettings;
}

/** The static pods of a directory that are components, temporary ones aside. What cannot be read counts by its file's name. */
export function componentManifests(directory: string): ComponentManifest[] {
  return names(directory)
    .filter((name) => /\.(ya?ml|json|manifest)$/.test(name) && !name.startsWith("."))
    .flatMap((name) => readManifest(join(directory, name)) ?? []);
}

/** A manifest of a component where no kubelet looks for it. */
export function strayManifest(component: ComponentName, directory: string): ComponentManifest | undefined {
  const places = STRAY_DIRS.filter((place) => place !== directory).map((place) => join(place, `${component}.yaml`));
  return places
    .filter((path) => existsSync(path))
    .map(readManifest)
    .find((found) => found?.name === component && found.fault === undefined);
}

/** What bootkube's checkpointer keeps for the time when there is no API server. */
export function checkpointedManifests(): ComponentManifest[] {
  return componentManifests(CHECKPOINTS);
}

/** Which component a manifest's pod is; undefined for another pod, a temporary one and what is no manifest. */
export function componentOfManifest(text: string): ComponentName | undefined {
  try {
    return componentOfPod(objectOf(readYaml(text) as JsonObject));
  } catch {
    return undefined;
  }
}

function componentOfPod(pod: JsonObject): ComponentName | undefined {
  const metadata = objectOf(pod.metadata);
  const name = textOf(metadata.name);
  if (name.startsWith("bootstrap-")) return undefined;
  return recogniseComponent(objectOf(metadata.labels), name, objectOf(pod.spec))?.component;
}

function readManifest(path: string): ComponentManifest | undefined {
  const byName = basename(path).replace(/\.\w+$/, "");
  const failed = (fault: string): ComponentManifest | undefined =>
    NAMES.has(byName) ? { name: byName as ComponentName, path, fault, flags: [] } : undefined;
  let pod: JsonObject;
  try {
    const { size } = statSync(path);
    if (size > MOST_BYTES) return failed("it is too large to be a manifest");
    pod = objectOf(readYaml(readTextFile(path)) as JsonObject);
  } catch (error) {
    return failed(error instanceof Error ? defined(error.message.split("\n")[0]).replace(/:$/, "") : "it is no YAML");
  }
  if (pod.kind !== "Pod" || textOf(objectOf(pod.metadata).name) === "") return failed("it holds no pod");
  const component = componentOfPod(pod);
  if (component === undefined) return undefined;
  const spec = objectOf(pod.spec);
  const container = objectsOf(spec.containers)[containerIndexOf(component, spec)];
  return {
    name: component,
    path,
    fault: undefined,
    flags: container === undefined ? [] : containerFlags(container),
    ...(container !== undefined && component === "etcd" && { etcd: etcdSettings(container, spec) }),
  };
}

/**
 * Such as `kube-apiserver.service`, where systemd starts it with the machine. An etcd that was installed and never ran
 * counts for nothing.
 */
export function unitOf(component: ComponentName): string | undefined {
  const unit = `${component}.service`;
  if (!UNIT_LINKS.some((directory) => names(directory).includes(unit))) return undefined;
  return component !== "etcd" || ETCD_DATA.some((directory) => names(directory).includes("member")) ? unit : undefined;
}

/** What a component's containers logged last, the newest pod's; the kubelet's directories are `NAMESPACE_POD_UID/CONTAINER/ATTEMPT.log`. */
export function componentLog(component: ComponentName, lines: number, now: number): ComponentLog | undefined {
  const logs = names(POD_LOGS)
    .flatMap((pod) => logsOf(pod, component))
    .sort((a, b) => b.time - a.time);
  const [newest] = logs;
  if (newest === undefined) return undefined;
  // A container that was started this moment has said nothing yet: the one before has, and it ended.
  const before = logs.find(({ path }) => path !== newest.path && dirname(path) === dirname(newest.path));
  const recent = lastLines(newest.path, lines);
  return {
    path: newest.path,
    staticPod: newest.staticPod,
    restarts: newest.attempt,
    lastLines: recent.length > 0 || before === undefined ? recent : lastLines(before.path, lines),
    ageMilliseconds: Math.max(0, now - newest.time),
  };
}

interface LogFile {
  readonly path: string;
  readonly staticPod: boolean;
  readonly attempt: number;
  readonly time: number;
}

function logsOf(pod: string, component: ComponentName): LogFile[] {
  const [, name, uid] = pod.split("_");
  if (name === undefined || uid === undefined || !name.replace("self-hosted-", "").startsWith(`${component}-`))
    return [];
  const directory = join(POD_LOGS, pod);
  return names(directory).flatMap((container) =>
    names(join(directory, container)).flatMap((file): LogFile[] => {
      const attempt = /^(\d+)\.log$/.exec(file)?.[1];
      const path = join(directory, container, file);
      const time = attempt === undefined ? undefined : modified(path);
      // A static pod's uid is a hash of its manifest, any other's has dashes.
      return time === undefined ? [] : [{ path, staticPod: !uid.includes("-"), attempt: Number(attempt), time }];
    }),
  );
}

function modified(path: string): number | undefined {
  try {
    return statSync(path).mtimeMs;
  } catch {
    return undefined; // its container has gone
  }
}

/** Without the runtime's time stamps. */
function lastLines(path: string, lines: number): string[] {
  const text = readQuietly(path).slice(-LOG_TAIL_BYTES).trimEnd();
  if (text === "") return [];
  return text
    .split("\n")
    .slice(-lines)
    .map((line) => line.replace(/^\S+ (?:stdout|stderr) [FP] /, "").slice(0, 400));
}
