/**
 * What this machine tells of its own control plane while nobody else can: static pod manifests, processes, ports and the last words of containers.
 * Of a self-hosted scheduler or controller manager nothing is judged here: which machine runs it is the cluster's affair, and its lease tells.
 */
import { commandLine } from "./command-line.ts";
import type { EtcdFacts, Facts, LocalComponent, LocalFacts } from "./facts.ts";
import type { Area, Trouble } from "./trouble.ts";
import { spanText } from "./words.ts";

const AREA_OF: Readonly<Record<LocalComponent["name"], Area>> = {
  etcd: "etcd",
  "kube-apiserver": "api-server",
  "kube-controller-manager": "controller-manager",
  "kube-scheduler": "scheduler",
};

const CONSEQUENCE: Readonly<Record<LocalComponent["name"], string>> = {
  etcd: "this machine's etcd member is out: with it the API server here, unless it dials other members",
  "kube-apiserver": "nothing can be seen or changed through this machine's API server; pods that run go on and serve",
  "kube-controller-manager": "this machine does not stand in as controller manager",
  "kube-scheduler": "this machine does not stand in as scheduler",
};

/** A process that ended sooner than this after it began has not settled. */
const SETTLED_MS = 60_000;
/** Words of a log older than this tell nothing of now. */
const FRESH_LOG_MS = 15 * 60_000;
export const RECOVERED_DIR = "/var/lib/kubemend/recovered";

export function judgeLocal(facts: Facts): Trouble[] {
  const { local } = facts;
  if (local === undefined) return [];
  const { kubelet } = local;
  const troubles: Trouble[] = [];
  const waiting = local.components.filter(({ process, manifest }) => manifest !== undefined && process === undefined);
  if (kubelet.process === undefined && kubelet.installed) {
    troubles.push({
      area: "nodes",
      level: "error",
      code: "kubelet-stopped",
      where: local.nodeName,
      text: "no kubelet runs on this machine",
      evidence: waiting.map(({ name, manifest }) => `${name} does not run, though ${manifest!.path} is there`),
      consequence:
        waiting.length > 0
          ? "nobody starts this machine's control plane; containers that run go on"
          : "its containers go on and serve; nothing on it is started, restarted or reported, and its pods are evicted after a while",
      commands: [commandLine("sudo", "systemctl", "start", "kubelet")],
      keys: [`kubelet-stopped:${local.nodeName}`, ...waiting.map(({ name }) => `kubelet-stopped:${name}`)],
      explainedBy: ["certificate-expired:kubelet"],
    });
  }
  for (const component of local.components) {
    const trouble = judgeComponent(component, local, facts);
    if (trouble !== undefined) troubles.push(trouble);
  }
  return troubles;
}

function judgeComponent(component: LocalComponent, local: LocalFacts, facts: Facts): Trouble | undefined {
  const { name, process, manifest, log, strayManifest, unit, portTakenBy } = component;
  const isStatic = manifest !== undefined || strayManifest !== undefined || log?.staticPod === true;
  const isSelfHosted = !isStatic && log !== undefined;
  if (isSelfHosted && (name === "kube-scheduler" || name === "kube-controller-manager")) return undefined;
  if (process !== undefined && !isFalling(component, facts)) return undefined;
  const make = (code: string, given: Pick<Trouble, "text" | "evidence" | "commands"> & Partial<Trouble>): Trouble => ({
    area: AREA_OF[name],
    level: levelOf(component, facts),
    code: `${name}-${code}`,
    where: local.nodeName,
    consequence: CONSEQUENCE[name],
    keys: [`${code}:${name}`],
    explainedBy: [...causesOf(component), ...(local.kubelet.process === undefined ? ["kubelet-stopped"] : [])],
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
      commands: [commandLine("sudo", "systemctl", "start", unit?.replace(/\.service$/, "") ?? name)],
    });
  }
  return judgeSelfHosted(component, facts, make);
}

type Make = (code: string, given: Pick<Trouble, "text" | "evidence" | "commands"> & Partial<Trouble>) => Trouble;

function judgeStaticPod(component: LocalComponent, local: LocalFacts, facts: Facts, make: Make): Trouble {
  const { name, manifest, strayManifest, log } = component;
  const directory = local.kubelet.staticPods;
  if (manifest === undefined) {
    const text = `the static pod manifest of ${name} is missing from ${directory}`;
    if (strayManifest !== undefined) {
      return make("manifest-missing", {
        text,
        evidence: [`it lies at ${strayManifest}, where no kubelet looks for it`],
        commands: [commandLine("sudo", "mv", strayManifest, `${directory}/`)],
      });
    }
    const evidence =
      log === undefined ? [] : [`it ran here until ${spanText(log.ageMilliseconds)} ago, by ${log.path}`];
    return make("manifest-missing", { text, evidence, ...recoverManifest(name, local, facts) });
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
    text: `${name} ends again and again on this machine: its container was restarted ${log.restarts} times`,
    evidence: lastWords(component),
    ...mendCrash(component),
  });
}

/** The kubelet starts its container again and again where it knows the pod; after a reboot it knows none until there is an API server, whatever was before. */
function judgeSelfHosted(component: LocalComponent, facts: Facts, make: Make): Trouble {
  const { name, log } = component;
  const kubeletAge = facts.local?.kubelet.process?.ageMilliseconds ?? 0;
  const again = log !== undefined && log.restarts > 0 && log.ageMilliseconds < Math.min(FRESH_LOG_MS, kubeletAge);
  const ago = log === undefined ? "" : `, last heard of ${spanText(log.ageMilliseconds)} ago`;
  return make(again ? "crash-loop" : "not-running", {
    text: again
      ? `${name} ends again and again on this machine: its container was restarted ${log.restarts} times`
      : `${name} does not run on this machine${ago}; as a pod of the cluster itself it does not come back without an API server`,
    evidence: lastWords(component),
    commands: recoverSelfHosted(facts),
  });
}

/** From etcd while it lives; else from a backup, whose name only a person knows. */
function recoverSelfHosted({ etcd, api }: Facts): string[] {
  const flags = [`--recovery-dir=${RECOVERED_DIR}`, "--force", ...source(etcd)];
  return [
    `sudo ${commandLine("kubemend", "recover", ...flags, `--kubeconfig=${api?.source ?? "/etc/kubernetes/kubeconfig"}`)}`,
    `sudo ${commandLine("kubemend", "start", `--asset-dir=${RECOVERED_DIR}`)}`,
  ];
}

function recoverManifest(
  name: LocalComponent["name"],
  { nodeName, kubelet }: LocalFacts,
  { etcd }: Facts,
): Pick<Trouble, "commands"> {
  const from = `${RECOVERED_DIR}/nodes/${nodeName}/manifests/${name}.yaml`;
  return {
    commands: [
      `sudo ${commandLine("kubemend", "recover", `--recovery-dir=${RECOVERED_DIR}`, "--force", ...source(etcd))}`,
      commandLine("sudo", "cp", from, `${kubelet.staticPods}/`),
    ],
  };
}

function source(etcd: EtcdFacts | undefined): readonly string[] {
  const reached = etcd !== undefined && !("error" in etcd.health) && etcd.health.healthy;
  return reached ? etcd.recoverFlags : ["--etcd-backup-file=BACKUP.db"];
}

/** An unknown flag is the one mistake that a command can take back; for the rest, the log and the manifest. */
function mendCrash({ manifest, log }: LocalComponent): Pick<Trouble, "commands" | "advice"> {
  const path = manifest!.path;
  const flag = /unknown flag: --([\w-]+)/.exec(log?.lastLines.join("\n") ?? "")?.[1];
  if (flag !== undefined) {
    return {
      commands: [commandLine("sudo", "sed", "-i", `/- --${flag}\\(=\\|$\\)/d`, path)],
      advice: `--${flag} is no flag of this version`,
    };
  }
  return { commands: [commandLine("sudoedit", path)], advice: "mend what its last words complain of" };
}

/** What a component that does not come up may lack: told by other rules. */
function causesOf({ name }: LocalComponent): string[] {
  if (name === "etcd") return ["certificate-expired:etcd", "certificate-key-mismatch:etcd"];
  if (name !== "kube-apiserver")
    return [
      "crash-loop:kube-apiserver",
      "manifest-missing:kube-apiserver",
      "not-running:kube-apiserver",
      "port-taken:kube-apiserver",
    ];
  return [
    ...["manifest-missing", "manifest-invalid", "crash-loop", "port-taken", "not-running"].map(
      (code) => `${code}:etcd`,
    ),
    ...["etcd-unreachable", "etcd-quorum-lost", "certificate-expired:etcd"],
    ...["certificate-expired:api-server", "certificate-key-mismatch:api-server"],
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
function levelOf({ name }: LocalComponent, { api, cluster }: Facts): Trouble["level"] {
  const answers = api?.outcome.state === "answers" && !api.isLocal;
  if (name === "kube-apiserver") return answers ? "warning" : "error";
  if (name === "etcd") return "error";
  return cluster === undefined ? "error" : "warning";
}

function lastWords({ log }: LocalComponent): string[] {
  if (log === undefined || log.lastLines.length === 0) return [];
  return [`its last words (${log.path}):`, ...log.lastLines.map((line) => `  ${line}`)];
}
