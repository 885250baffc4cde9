/**
 * What this machine knows of its own control plane while nobody else can: static pod manifests, processes, ports and
 * the last words of containers. Of a self-hosted scheduler or controller manager nothing is judged here: which machine
 * runs it is the cluster's affair, and its lease shows it.
 */

import { defined } from "../errors/defined.ts";
import type { ComponentFault } from "../errors/finding-codes.ts";
import { input } from "../errors/input.ts";
import { commandLine } from "./command-line.ts";
import { startHere } from "./component-commands.ts";
import { mendCrash } from "./crash-loop.ts";
import type { Facts, LocalComponent, LocalFacts } from "./facts.ts";
import { type MissingManifest, missingManifests, RECOVERED_DIR, source } from "./missing-manifests.ts";
import { serviceCommands } from "./service-command.ts";
import { expectedStaticPods, isStaticPod } from "./static-pods.ts";
import type { Area, Trouble } from "./trouble.ts";
import { spanText, timesText } from "./words.ts";

const AREA_OF: Readonly<Record<LocalComponent["name"], Area>> = {
  etcd: "etcd",
  "kube-apiserver": "api-server",
  "kube-controller-manager": "controller-manager",
  "kube-scheduler": "scheduler",
};

const CONSEQUENCE: Readonly<Record<LocalComponent["name"], string>> = {
  etcd: "this machine's etcd member is out: with it the API server here, unless it dials other members",
  "kube-apiserver": "nothing can be seen or changed through this machine's API server; running pods keep serving",
  "kube-controller-manager": "this machine does not stand in as controller manager",
  "kube-scheduler": "this machine does not stand in as scheduler",
};

/** A process that ended sooner than this after it began has not settled. */
const SETTLED_MS = 60_000;
/** Words of a log older than this say nothing about now. */
const FRESH_LOG_MS = 15 * 60_000;

export function judgeLocal(facts: Facts): Trouble[] {
  const { local } = facts;
  if (local === undefined) return [];
  const { kubelet } = local;
  const troubles: Trouble[] = [];
  const waiting = local.components.filter(({ process, manifest }) => manifest !== undefined && process === undefined);
  if (kubelet.process === undefined && kubelet.installed) {
    const commands = serviceCommands(local.serviceManager, "start", "kubelet");
    troubles.push({
      area: "nodes",
      level: "error",
      code: "kubelet-stopped",
      where: local.nodeName,
      text: "no kubelet runs on this machine",
      evidence: waiting.map(({ name, manifest }) => `${name} does not run, though ${defined(manifest).path} is there`),
      consequence:
        waiting.length > 0
          ? "nobody starts this machine's control plane; running containers keep running"
          : "its containers keep serving; nothing on it is started, restarted or reported, and its pods are evicted after a while",
      commands,
      ...(commands.length === 0 && {
        advice: "start it as it is started on this machine: no service manager was found",
      }),
      keys: [`kubelet-stopped:${local.nodeName}`, ...waiting.map(({ name }) => `kubelet-stopped:${name}`)],
      explainedBy: ["certificate-expired:kubelet", `certificate-expired:kubelet:${local.nodeName}`],
    });
  }
  const missing = missingHere(facts, local);
  if (missing.length > 0) troubles.push(missingTrouble(missing, facts, local));
  for (const component of local.components) {
    if (missing.some(({ name }) => name === component.name)) continue;
    const trouble = judgeComponent(component, local, facts);
    if (trouble !== undefined) troubles.push(trouble);
  }
  return troubles;
}

const ORDER: readonly LocalComponent["name"][] = [
  "etcd",
  "kube-apiserver",
  "kube-controller-manager",
  "kube-scheduler",
];

/** Static pods that have neither a process nor a manifest anywhere. */
function missingHere(facts: Facts, local: LocalFacts): MissingManifest[] {
  const expected = expectedStaticPods(facts);
  return ORDER.flatMap((name): MissingManifest[] => {
    const component = local.components.find((each) => each.name === name);
    if (component?.process !== undefined || component?.portTakenBy !== undefined) return [];
    if (component?.manifest !== undefined || component?.strayManifest !== undefined) return [];
    const isExpected = expected.has(name) || (component !== undefined && isStaticPod(component));
    return isExpected ? [{ name, component, why: expected.get(name) }] : [];
  });
}

/** One recovery brings them all back: one trouble. It is no consequence of anything: somebody or something has taken them away. */
function missingTrouble(missing: readonly MissingManifest[], facts: Facts, local: LocalFacts): Trouble {
  const [first] = missing as readonly [MissingManifest];
  const levels = missing.map(({ name }) => levelOf(name, facts));
  return {
    area: AREA_OF[first.name],
    level: levels.includes("error") ? "error" : "warning",
    code: missing.length === 1 ? `${first.name}-manifest-missing` : "manifests-missing",
    where: local.nodeName,
    consequence: CONSEQUENCE[first.name],
    keys: missing.map(({ name }) => `manifest-missing:${name}`),
    ...missingManifests(missing, facts, local),
  };
}

function judgeComponent(component: LocalComponent, local: LocalFacts, facts: Facts): Trouble | undefined {
  const { name, process, log, unit, portTakenBy } = component;
  const isStatic = isStaticPod(component);
  const isSelfHosted = !isStatic && log !== undefined;
  if (isSelfHosted && (name === "kube-scheduler" || name === "kube-controller-manager")) return undefined;
  if (process !== undefined && !isFalling(component, facts)) return undefined;
  const make = (
    code: ComponentFault,
    given: Pick<Trouble, "text" | "evidence" | "commands"> & Partial<Trouble>,
  ): Trouble => ({
    area: AREA_OF[name],
    level: levelOf(name, facts),
    code: `${name}-${code}`,
    where: local.nodeName,
    consequence: CONSEQUENCE[name],
    keys: [`${code}:${name}`],
    // Without a kubelet nothing starts the pod of a manifest that is there.
    explainedBy: [...causesOf(component), `kubelet-stopped:${name}`],
    ...given,
  });
  if (portTakenBy !== undefined) {
    const { name: other, pid } = portTakenBy;
    return make("port-taken", {
      text: `${name} cannot listen on port ${component.port}: "${other}"${pid === undefined ? "" : ` (process ${pid})`} does`,
      evidence: lastWords(component),
      commands: pid === undefined ? [commandLine("sudo", "ss", "-ltnp")] : [commandLine("sudo", "kill", String(pid))],
      explainedBy: [],
    });
  }
  if (isStatic) return judgeStaticPod(component, local, facts, make);
  if (unit !== undefined || !isSelfHosted) {
    return make("not-running", {
      text: `${name} does not run on this machine`,
      evidence: [unit === undefined ? "no process of it, no static pod manifest, no container" : `its unit is ${unit}`],
      ...startHere(name, facts),
    });
  }
  return judgeSelfHosted(component, facts, make);
}

type Make = (
  code: ComponentFault,
  given: Pick<Trouble, "text" | "evidence" | "commands"> & Partial<Trouble>,
) => Trouble;

function judgeStaticPod(component: LocalComponent, local: LocalFacts, facts: Facts, make: Make): Trouble | undefined {
  const { name, manifest, strayManifest, log } = component;
  const directory = local.kubelet.staticPods;
  if (manifest === undefined) {
    if (strayManifest === undefined) return undefined; // named with the others that are missing
    return make("manifest-missing", {
      text: `the static pod manifest of ${name} is missing from ${directory}`,
      evidence: [`it lies at ${strayManifest}, where no kubelet looks for it`],
      commands: [commandLine("sudo", "mv", strayManifest, `${directory}/`)],
      explainedBy: [],
    });
  }
  if (manifest.fault !== undefined) {
    return make("manifest-invalid", {
      text: `the static pod manifest of ${name} cannot be read: ${manifest.fault}`,
      evidence: [manifest.path],
      commands: [commandLine("sudoedit", manifest.path)],
    });
  }
  if (log === undefined) {
    return make("not-running", {
      text: `${name} has not started on this machine, though its manifest is there`,
      evidence: [manifest.path],
      commands: ["sudo journalctl -u kubelet -n 50 --no-pager"],
      advice: "the kubelet says why: often the image cannot be pulled, or a file that the pod mounts is missing",
    });
  }
  return make("crash-loop", {
    text: `${name} ends again and again on this machine: its container was restarted ${timesText(log.restarts)}`,
    evidence: lastWords(component),
    ...mendCrash(component, facts, local.serviceManager),
  });
}

/**
 * The kubelet starts its container again and again where it knows the pod; after a reboot it knows none until there is
 * an API server, whatever was before.
 */
function judgeSelfHosted(component: LocalComponent, facts: Facts, make: Make): Trouble {
  const { name, log } = component;
  const kubeletAge = facts.local?.kubelet.process?.ageMilliseconds ?? 0;
  const again = log !== undefined && log.restarts > 0 && log.ageMilliseconds < Math.min(FRESH_LOG_MS, kubeletAge);
  const ago = log === undefined ? "" : `, last heard of ${spanText(log.ageMilliseconds)} ago`;
  return make(again ? "crash-loop" : "not-running", {
    text: again
      ? `${name} ends again and again on this machine: its container was restarted ${timesText(log.restarts)}`
      : `${name} does not run on this machine${ago}; as a pod of the cluster itself it does not come back without an API server`,
    evidence: lastWords(component),
    commands: recoverSelfHosted(facts),
  });
}

/** From etcd while it lives; else from a backup, whose name only a person knows. */
function recoverSelfHosted({ etcd, api }: Facts): string[] {
  const flags = [`${input("recoveryDir")}=${RECOVERED_DIR}`, input("force"), ...source(etcd)];
  return [
    `sudo ${commandLine("kubemend", "recover", ...flags, `${input("kubeconfig")}=${api?.source ?? "/etc/kubernetes/kubeconfig"}`)}`,
    `sudo ${commandLine("kubemend", "start", `${input("assetDir")}=${RECOVERED_DIR}`)}`,
  ];
}

/** What a component that does not come up may lack: reported by other rules. */
function causesOf({ name }: LocalComponent): string[] {
  if (name === "etcd") return ["certificate-missing", "certificate-expired:etcd", "certificate-key-mismatch:etcd"];
  const local = ["manifest-missing", "manifest-invalid", "crash-loop", "port-taken", "not-running"];
  const behind = [
    ...local.map((code) => `${code}:etcd`),
    ...["etcd-unreachable", "etcd-quorum-lost", "etcd-no-leader", "etcd-alarm-nospace", "certificate-expired:etcd"],
    ...["certificate-expired:api-server", "certificate-key-mismatch:api-server", "certificate-missing"],
  ];
  if (name === "kube-apiserver") return behind;
  // They end themselves where they cannot renew their lease: with the API server, or with the etcd behind it.
  return [
    ...behind,
    ...local.map((code) => `${code}:kube-apiserver`),
    ...["api-server-unreachable", "api-server-silent", "api-server-failing", "api-server-not-ready"],
  ];
}

/** A process that runs, of an API server that cannot be reached, and whose container was restarted a short while ago. */
function isFalling({ name, process, log, portTakenBy }: LocalComponent, { api }: Facts): boolean {
  if (name !== "kube-apiserver") return false;
  if (portTakenBy !== undefined) return true;
  const answers = api?.outcome.state === "answers";
  const again = log !== undefined && log.restarts > 0 && log.ageMilliseconds < FRESH_LOG_MS;
  return !answers && again && (process?.ageMilliseconds ?? 0) < SETTLED_MS;
}

/** Another machine may stand in: then it is no more than a warning. */
function levelOf(name: LocalComponent["name"], { api, cluster }: Facts): Trouble["level"] {
  const answers = api?.outcome.state === "answers" && !api.isLocal;
  if (name === "kube-apiserver") return answers ? "warning" : "error";
  if (name === "etcd") return "error";
  return cluster === undefined ? "error" : "warning";
}

function lastWords({ log }: LocalComponent): string[] {
  if (log === undefined || log.lastLines.length === 0) return [];
  return [`its last words (${log.path}):`, ...log.lastLines.map((line) => `  ${line}`)];
}
