/**
 * Whether the night may come: what was seen of the backups and of the control-plane nodes -> what is ready, what is
 * not, and what to do next.
 */
import { input } from "../errors/input.ts";
import { spanText } from "./words.ts";

export interface ReadinessFacts {
  /** Milliseconds since the epoch. */
  readonly now: number;
  /** Undefined where none was named. */
  readonly backup: BackupFacts | UnreadBackup | undefined;
  /** Those that were asked. */
  readonly nodes: readonly NodeReadiness[];
  readonly limits: { readonly maxLagMs: number; readonly maxCheckMs: number };
}

interface UnreadBackup {
  readonly error: string;
  readonly hint: string | undefined;
  /** Whether it is the repository that is wrong, and not the way there. */
  readonly isCertain: boolean;
}

export interface BackupFacts {
  readonly repository: string;
  /** `here`: on a disk of this machine, which is a control-plane node. */
  readonly place: "elsewhere" | "here" | "unknown";
  readonly encrypted: boolean;
  /** Milliseconds since the epoch; null where there is none, as the next two. */
  readonly newest: number | null;
  readonly verified: number | null;
  readonly drilled: number | null;
  readonly gaps: number;
  readonly isEmpty: boolean;
  /** Whether the identity that was given opens it; undefined where none was given. */
  readonly opens: boolean | undefined;
  /** Nodes whose files it holds, and since when. */
  readonly files: readonly { readonly node: string; readonly time: number }[];
}

export interface NodeReadiness {
  readonly name: string;
  readonly address: string;
  /** Undefined where it cannot be reached, which `error` explains. */
  readonly version: string | undefined;
  readonly reached: boolean;
  readonly error: string | undefined;
  /** Names of certificates that are expired, missing or expire within 30 days; undefined where they could not be listed. */
  readonly certificates: readonly string[] | undefined;
  /** How its address becomes one of the network. */
  readonly addressBy: AddressSource;
  /** What of the files that the repository holds of it was changed since; undefined where that is not known. */
  readonly changedFiles: readonly string[] | undefined;
  /** The node agent there; undefined where it could not be asked. */
  readonly agent: NodeAgent | undefined;
}

/**
 * `number`: it is an address already; `hosts`: the hosts file of this machine has it; `cluster`: a name that only the
 * cluster's own DNS knows; `dns`: a name server answers, and whose that is, is not known.
 */
export type AddressSource = "number" | "hosts" | "cluster" | "dns";

/** `protects`: it puts lost static pods back; `runs`: it does not; `silent`: none answers. */
export type NodeAgent = "protects" | "runs" | "silent";

export type ReadinessState = "ready" | "not-ready" | "unknown";

interface ReadinessCheck {
  /** What scripts match, such as `backup-fresh`. */
  readonly code: string;
  readonly state: ReadinessState;
  readonly text: string;
  /** A command or an action; null where it is ready. */
  readonly todo: string | null;
}

export interface Readiness {
  readonly ready: number;
  readonly of: number;
  readonly checks: readonly ReadinessCheck[];
}

/** What is not known counts as not ready. */
export function judgeReadiness(facts: ReadinessFacts): Readiness {
  const checks = [...judgeBackup(facts), ...judgeNodes(facts)];
  return { ready: checks.filter(({ state }) => state === "ready").length, of: checks.length, checks };
}

const BACKUP_CHECKS = ["fresh", "elsewhere", "verified", "drilled", "whole", "opens", "node-files"].map(
  (each) => `backup-${each}`,
);

const PLACES: Readonly<Record<BackupFacts["place"], string>> = {
  elsewhere: "it is on other machines",
  here: "it is on a disk of this control-plane node",
  unknown: "a directory on this machine: whether this is a machine of the cluster is not known",
};

function judgeBackup({ backup, now, limits, nodes }: ReadinessFacts): readonly ReadinessCheck[] {
  if (backup === undefined || "error" in backup) {
    const text = backup?.error ?? "no backup repository was named";
    const todo = backup?.hint ?? "kubemend ready REPOSITORY; to make one: kubemend backup init";
    return BACKUP_CHECKS.map((code) => check(code, backup?.isCertain === true ? false : "unknown", text, todo));
  }
  const { repository } = backup;
  const done = (what: string, time: number | null): string =>
    time === null ? `never ${what}` : `${what} ${spanText(now - time)} ago`;
  const isRecent = (time: number | null, most: number): boolean => time !== null && now - time <= most;
  const withoutFiles = nodes.filter(({ name }) => !backup.files.some(({ node }) => node === name));
  return [
    check(
      "backup-fresh",
      isRecent(backup.newest, limits.maxLagMs),
      backup.newest === null
        ? "it holds no moment whose time is known"
        : `the newest moment is from ${spanText(now - backup.newest)} ago`,
      "start the agent on each control-plane node: kubemend backup run",
    ),
    check(
      "backup-elsewhere",
      backup.place === "unknown" ? "unknown" : backup.place === "elsewhere",
      PLACES[backup.place],
      "keep the repository on another machine or in a bucket",
    ),
    check(
      "backup-verified",
      isRecent(backup.verified, limits.maxCheckMs),
      done("verified", backup.verified),
      `kubemend backup verify ${repository} ${input("identity")} FILE`,
    ),
    check(
      "backup-drilled",
      isRecent(backup.drilled, limits.maxCheckMs),
      done("restored as a test", backup.drilled),
      `kubemend backup drill ${repository} ${input("identity")} FILE`,
    ),
    check(
      "backup-whole",
      backup.isEmpty ? false : backup.gaps === 0,
      backup.isEmpty
        ? "it holds nothing yet"
        : backup.gaps === 0
          ? "no gap between its first and its last moment"
          : `${backup.gaps} gaps that cannot be restored`,
      `kubemend backup list ${repository}`,
    ),
    check(
      "backup-opens",
      backup.encrypted ? (backup.opens ?? "unknown") : true,
      backup.encrypted ? opensText(backup.opens) : "not encrypted: whoever can read it has every Secret",
      `kubemend ready ${repository} ${input("identity")} FILE, with the copy that you keep off the nodes`,
    ),
    check(
      "backup-node-files",
      backup.files.length === 0 ? false : nodes.length === 0 ? "unknown" : withoutFiles.length === 0,
      backup.files.length === 0
        ? "it holds no certificates, keys and manifests of a node"
        : `it holds the files of ${backup.files.map(({ node }) => node).join(", ")}`,
      withoutFiles.length > 0 && backup.files.length > 0
        ? `set nodeFiles: true for the agent of ${withoutFiles.map(({ name }) => name).join(", ")}`
        : NODE_FILES_TODO,
    ),
  ];
}

const NODE_FILES_TODO = "set nodeFiles: true for the agent of each control-plane node";

function opensText(opens: boolean | undefined): string {
  if (opens === undefined) return "encrypted; no identity was given to try";
  return opens ? "the identity opens it" : "the identity does not open it";
}

const NODE_CHECKS = ["access", "names", "executable", "certificates", "files-kept", "agent"].map(
  (each) => `node-${each}`,
);

function judgeNodes({ nodes, backup, now }: ReadinessFacts): readonly ReadinessCheck[] {
  if (nodes.length === 0) {
    const text = "no control-plane node is known";
    const todo = `kubemend ready REPOSITORY ${input("node")} NAME=ADDRESS, for each control-plane node`;
    return NODE_CHECKS.map((code) => check(code, "unknown", text, todo));
  }
  const names = (list: readonly NodeReadiness[]): string => list.map(({ name }) => name).join(", ");
  const unreached = nodes.filter(({ reached }) => !reached);
  const without = nodes.filter(({ version }) => version === undefined);
  const expiring = nodes.filter(({ certificates }) => (certificates ?? []).length > 0);
  const unlisted = nodes.filter(({ certificates }) => certificates === undefined);
  const [first] = unreached;
  return [
    check(
      "node-access",
      unreached.length === 0,
      first === undefined
        ? `${names(nodes)} can be reached as root without the cluster`
        : `${names(unreached)}: ${first.error ?? "not reached"}`,
      `ssh ${first?.address ?? "NODE"} sudo -n true`,
    ),
    judgeNames(nodes),
    check(
      "node-executable",
      without.length === 0 ? true : without.every(({ reached }) => !reached) ? "unknown" : false,
      without.length === 0
        ? `kubemend ${[...new Set(nodes.map(({ version }) => version))].join(", ")} is on ${names(nodes)}`
        : `not on ${names(without)}`,
      "sudo install kubemend /usr/local/bin/kubemend, on each",
    ),
    check(
      "node-certificates",
      expiring.length > 0 ? false : unlisted.length > 0 ? "unknown" : true,
      certificatesText(expiring, unlisted),
      "sudo kubemend certificate list, and renew all",
    ),
    judgeKeptFiles(nodes, backup, now),
    judgeAgents(nodes),
  ];
}

/** Whether a name server of the cluster, which is dead that night, has to answer before anybody can log in. */
function judgeNames(nodes: readonly NodeReadiness[]): ReadinessCheck {
  const by = (source: AddressSource): readonly string[] =>
    nodes.filter(({ addressBy }) => addressBy === source).map(({ address }) => address);
  const [first] = nodes.filter(({ addressBy }) => addressBy === "cluster" || addressBy === "dns");
  const todo = `pass addresses and not names, such as ${input("node")} ${first?.name ?? "NAME"}=10.0.0.11, or add them to /etc/hosts`;
  if (by("cluster").length > 0)
    return check("node-names", false, `only the cluster's own DNS knows ${by("cluster").join(", ")}`, todo);
  if (by("dns").length > 0) {
    const names = by("dns").join(", ");
    return check("node-names", "unknown", `${names}: whether that DNS answers without the cluster is not known`, todo);
  }
  return check("node-names", true, "no DNS is needed to reach them", todo);
}

function judgeKeptFiles(
  nodes: readonly NodeReadiness[],
  backup: ReadinessFacts["backup"],
  now: number,
): ReadinessCheck {
  const kept = backup === undefined || "error" in backup ? [] : backup.files;
  const sinceOf = (name: string): string => {
    const time = kept.find(({ node }) => node === name)?.time;
    return time === undefined ? "" : ` ${spanText(now - time)} ago`;
  };
  const without = nodes.filter(({ name }) => kept.length > 0 && sinceOf(name) === "");
  const changed = nodes.filter(({ changedFiles = [] }) => changedFiles.length > 0);
  const unknown = nodes.filter(({ changedFiles }) => changedFiles === undefined);
  if (backup !== undefined && !("error" in backup) && kept.length === 0)
    return check("node-files-kept", false, "nothing is kept of any node", NODE_FILES_TODO);
  if (without.length > 0) {
    const names = without.map(({ name }) => name).join(", ");
    return check("node-files-kept", false, `nothing is kept of ${names}`, NODE_FILES_TODO);
  }
  const state = changed.length > 0 ? false : unknown.length > 0 ? "unknown" : true;
  const texts = {
    changed: changed.map(
      ({ name, changedFiles = [] }) =>
        `${name}: ${changedFiles.slice(0, 3).join(", ")}${changedFiles.length > 3 ? ` and ${changedFiles.length - 3} more` : ""}` +
        ` changed since they were kept${sinceOf(name)}`,
    ),
    unknown: `not known for ${unknown.map(({ name }) => name).join(", ")}`,
    ready: nodes.map(({ name }) => `${name}: kept${sinceOf(name)}, and unchanged since`),
  };
  const text = state === false ? texts.changed.join("; ") : state === true ? texts.ready.join("; ") : texts.unknown;
  return check(
    "node-files-kept",
    state,
    text,
    "see why the backup agent there does not keep them: its log, and /status",
  );
}

function judgeAgents(nodes: readonly NodeReadiness[]): ReadinessCheck {
  const names = (state: NodeAgent | undefined): string =>
    nodes
      .filter(({ agent }) => agent === state)
      .map(({ name }) => name)
      .join(", ");
  const todo = `kubemend checkpoint manifests ${input("protectManifests")} | kubectl apply -f -`;
  if (names("silent") !== "") return check("node-agent", false, `no node agent answers on ${names("silent")}`, todo);
  if (names("runs") !== "")
    return check("node-agent", false, `it does not protect static pods on ${names("runs")}`, todo);
  if (names(undefined) !== "") return check("node-agent", "unknown", `not known for ${names(undefined)}`, todo);
  return check("node-agent", true, `it runs on ${names("protects")}, and puts lost static pods back`, todo);
}

function certificatesText(expiring: readonly NodeReadiness[], unlisted: readonly NodeReadiness[]): string {
  if (expiring.length > 0)
    return expiring.map(({ name, certificates = [] }) => `${name}: ${certificates.join(", ")}`).join("; ");
  if (unlisted.length > 0) return `not known for ${unlisted.map(({ name }) => name).join(", ")}`;
  return "none expires within 30 days";
}

function check(code: string, found: boolean | "unknown" | undefined, text: string, todo: string): ReadinessCheck {
  const state = found === "unknown" ? "unknown" : found === true ? "ready" : "not-ready";
  return { code, state, text, todo: state === "ready" ? null : todo };
}
