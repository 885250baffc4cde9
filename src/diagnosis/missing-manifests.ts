/**
 * Static pod manifests that are gone, and the way back: recovered from etcd or a backup. An etcd manifest alone is no
 * way back where the data is gone as well: that etcd would begin a new and empty cluster, or be refused by the members
 * that live.
 */
import { input } from "../errors/input.ts";
import type { ComponentName } from "../kube/component.ts";
import { flagNamed } from "../kube/container-flags.ts";
import { commandLine } from "./command-line.ts";
import type { EtcdFacts, Facts, LocalComponent, LocalFacts } from "./facts.ts";
import { isOwn } from "./static-pods.ts";
import type { Trouble } from "./trouble.ts";
import { someOf, spanText } from "./words.ts";

export const RECOVERED_DIR = "/var/lib/kubemend/recovered";

export interface MissingManifest {
  readonly name: ComponentName;
  /** Undefined where nothing but its neighbours speaks of it. */
  readonly component: LocalComponent | undefined;
  /** Why it is believed to belong here. */
  readonly why: string | undefined;
}

type Given = Pick<Trouble, "text" | "evidence" | "commands"> & Pick<Partial<Trouble>, "advice">;

/** One manifest that is gone, or several: one recovery brings them all. Never empty. */
export function missingManifests(missing: readonly MissingManifest[], facts: Facts, local: LocalFacts): Given {
  const names = missing.map(({ name }) => name);
  const directory = local.kubelet.staticPods;
  const what = names.length === 1 ? `manifest of ${names[0]} is` : `manifests of ${someOf(names, 4)} are`;
  const seen = missing.flatMap(({ name, component, why }) => {
    const log = component?.log;
    if (log !== undefined) return [`${name} ran here until ${spanText(log.ageMilliseconds)} ago, by ${log.path}`];
    return why === undefined ? [] : [`${name}: ${why}`];
  });
  const data = names.includes("etcd") ? dataEvidence(local) : [];
  return {
    text: `the static pod ${what} missing from ${directory}`,
    evidence: [...seen, ...data],
    ...wayBack(names, facts, local),
  };
}

function dataEvidence({ etcdData: { path, state, isGuess } }: LocalFacts): string[] {
  const gone = isGuess ? "etcd's data is not where kubeadm has it" : "etcd's data is gone";
  switch (state) {
    case "member":
      return [`etcd's data is there: ${path}/member`];
    case "absent":
      return [`${gone}: there is no ${path}`];
    case "empty":
      return [`${gone}: there is nothing of a member in ${path}`];
    case "unreadable":
      return [`whether etcd's data is in ${path} cannot be seen by this user`];
  }
}

function wayBack(names: readonly ComponentName[], facts: Facts, local: LocalFacts): Pick<Given, "commands" | "advice"> {
  const { etcd } = facts;
  const { path, state } = local.etcdData;
  const forgotten = names.filter((name) => isForgotten(name, facts, local));
  const from = forgotten.length === 0 ? source(etcd) : source(undefined);
  const recover = `sudo ${commandLine("kubemend", "recover", `${input("recoveryDir")}=${RECOVERED_DIR}`, input("force"), ...from)}`;
  const copy = names.map((name) => {
    const file = `${RECOVERED_DIR}/nodes/${local.nodeName}/manifests/${name}.yaml`;
    return commandLine("sudo", "cp", file, `${local.kubelet.staticPods}/`);
  });
  if (!names.includes("etcd") || state === "member") {
    const advice =
      forgotten.length === 0
        ? {}
        : {
            advice:
              `etcd holds nothing of ${someOf(forgotten, 4)} here any more: the kubelet has deleted the mirror pod; ` +
              "BACKUP.db is a backup of before that. Without one, kubeadm makes another one (kubeadm init phase " +
              "control-plane), with the flags of its own configuration",
          };
    return { commands: [recover, ...copy], ...advice };
  }
  if (state === "unreadable") {
    return {
      commands: [recover],
      advice: `look into ${path} as root first: an etcd without its data begins an empty cluster`,
    };
  }
  return serves(etcd) ? replaceMember(recover, copy, etcd, facts, local) : restoreData(copy, local);
}

/** The members that live refuse an old member without data: it is removed, added, and started as one that joins. */
function replaceMember(
  recover: string,
  copy: readonly string[],
  etcd: EtcdFacts,
  facts: Facts,
  local: LocalFacts,
): Pick<Given, "commands" | "advice"> {
  const kubemend = (...words: string[]) => commandLine("kubemend", "etcd", ...words, ...etcd.flags);
  const members = "error" in etcd.health ? [] : etcd.health.members;
  const own = members.find(
    ({ name, endpoint }) => name === local.nodeName || (endpoint !== null && isOwn(endpoint, local)),
  );
  const manifest = `${RECOVERED_DIR}/nodes/${local.nodeName}/manifests/etcd.yaml`;
  return {
    commands: [
      ...(own === undefined ? [] : [kubemend("member", "remove", own.id)]),
      kubemend("member", "add", local.nodeName, `${input("peerUrls")}=${peerUrl(facts, local)}`),
      recover,
      commandLine("sudoedit", manifest),
      ...copy,
    ],
    advice:
      'the manifest must have --initial-cluster-state=existing and the --initial-cluster that "member add" ' +
      "prints, or etcd begins an empty cluster; when it runs, promote it as that prints",
  };
}

/** Nobody else has the data: it comes from a backup, before anything starts. */
function restoreData(copy: readonly string[], local: LocalFacts): Pick<Given, "commands" | "advice"> {
  const flags = [`${input("recoveryDir")}=${RECOVERED_DIR}`, input("force"), `${input("etcdBackupFile")}=BACKUP.db`];
  return {
    commands: [`sudo ${commandLine("kubemend", "recover", ...flags)}`],
    advice:
      `${local.etcdData.isGuess ? "first make sure that its data is in no other directory here (member/snap/db), " : ""}` +
      "then restore etcd's data as it prints for every member (kubemend snapshot restore BACKUP.db " +
      `${input("dataDir")}=${local.etcdData.path} ...), while no member runs, and only ` +
      `then copy the manifests: ${copy.join("; ")}. Where another member still has its data, see kubemend etcd salvage`,
  };
}

function peerUrl({ etcd }: Facts, local: LocalFacts): string {
  const flags = local.components.find(({ name }) => name === "etcd")?.flags;
  const known = flagNamed(flags, "initial-advertise-peer-urls");
  if (known !== undefined) return known;
  const members = etcd === undefined || "error" in etcd.health ? [] : etcd.health.members;
  const own = members.find(({ endpoint }) => endpoint !== null && isOwn(endpoint, local))?.endpoint;
  const host = (own === undefined || own === null ? undefined : URL.parse(own)?.hostname) ?? local.addresses[0];
  return `https://${host ?? "ADDRESS"}:2380`;
}

function serves(etcd: EtcdFacts | undefined): etcd is EtcdFacts {
  return etcd !== undefined && !("error" in etcd.health) && etcd.health.survivesLosses >= 0;
}

/**
 * Whether the API server shows static pods, and not this one: the kubelet deletes the mirror pod of a manifest that is
 * gone, as long as an API server answers.
 */
function isForgotten(name: ComponentName, { cluster }: Facts, { nodeName }: LocalFacts): boolean {
  const known = cluster?.staticPods ?? [];
  return known.length > 0 && !known.some(({ component, node }) => component === name && node === nodeName);
}

/** From etcd while it serves; else from a backup, whose name only a person knows. */
export function source(etcd: EtcdFacts | undefined): readonly string[] {
  return serves(etcd) ? etcd.recoverFlags : [`${input("etcdBackupFile")}=BACKUP.db`];
}
