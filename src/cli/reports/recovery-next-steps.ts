/** What remains to be done after `recover`, as commands to paste. */
import type { StaticPodNode } from "../../controlplane/control-plane.ts";
import { staticEtcdMembers, unclearEtcdMembers } from "../../controlplane/static-etcd.ts";
import type { Recovery } from "../../operations/recover/recover.ts";

export interface NextStepOptions {
  readonly recoveryDir: string;
  readonly podManifestPath: string;
  /** Milliseconds since the epoch. */
  readonly now: number;
}

export function nextSteps({ plane, source, written }: Recovery, options: NextStepOptions): string[] {
  const directory = shellWord(written?.directory ?? options.recoveryDir);
  if (plane.startedBy === "kubelets") {
    const backup = source.kind === "backup" ? shellWord(source.path) : undefined;
    return staticPodSteps(plane.nodes, directory, backup, options);
  }
  const start = `sudo kubemend start --asset-dir=${directory}`;
  if (source.kind !== "backup") return [`on one control-plane node: ${start}`];
  if (plane.etcd !== undefined) {
    const needs =
      source.archive === undefined ? `the backup at ${source.path} there too` : "the asset dir at the same path";
    return [`on one control-plane node, with ${needs}: ${start}`];
  }
  if (plane.nodes.length > 0) {
    const etcd = staticPodSteps(plane.nodes, directory, shellWord(source.path), options);
    return [...etcd, `then on one control-plane node: ${start}`];
  }
  return [
    "1. stop etcd on every member, the healthy ones too: one that runs on takes the restored ones in, and " +
      "everything since the backup is back",
    "2. restore etcd, if its data is lost, on each of its members: sudo kubemend snapshot restore " +
      `${shellWord(source.path)} --data-dir=... --name=... --initial-cluster=... ` +
      `--initial-cluster-token=${freshToken(options)}`,
    `3. start it, and see that this is what serves: ${proof(shellWord(source.path))}`,
    `4. on one control-plane node: ${start}`,
  ];
}

/** Without a backup etcd is not to be restored: it runs. */
function staticPodSteps(
  nodes: readonly StaticPodNode[],
  directory: string,
  backup: string | undefined,
  options: NextStepOptions,
): string[] {
  const members = staticEtcdMembers({ nodes });
  const cluster = members.flatMap((each) => each.peerUrl.split(",").map((url) => `${each.name}=${url}`)).join(",");
  const { podManifestPath } = options;
  const restores = backup !== undefined && members.length > 0;
  const first =
    "first, on every control-plane node, the healthy ones too: move etcd.yaml and kube-apiserver.yaml out of " +
    `${podManifestPath}, and wait until crictl ps shows neither; an etcd that runs on takes the restored ones ` +
    "in, and everything since the backup is back";
  const last = `at last, see that this is what serves: ${proof(backup ?? "")}`;
  const steps = nodes.flatMap((node) => {
    const member = backup === undefined ? undefined : members.find((each) => each.node === node.name);
    const restore =
      member === undefined
        ? []
        : [
            `  sudo kubemend snapshot restore ${backup} ` +
              [
                `--data-dir=${member.dataDir}`,
                ...(member.walDir === undefined ? [] : [`--wal-dir=${member.walDir}`]),
                `--name=${member.name}`,
                `--initial-cluster=${cluster}`,
                `--initial-cluster-token=${freshToken(options)}`,
                `--initial-advertise-peer-urls=${member.peerUrl}`,
              ]
                .map(shellWord)
                .join(" "),
          ];
    return [
      `on ${node.name}, when the files of ${directory}/nodes/${node.name}/host-files.txt are there:`,
      ...restore,
      `  sudo cp ${directory}/nodes/${shellWord(node.name)}/manifests/*.yaml ${shellWord(podManifestPath)}/`,
    ];
  });
  const unclear = unclearEtcdMembers({ nodes }).map(
    ({ node, lacking }) =>
      `etcd on ${node}: its manifest does not say its ${lacking.join(", ")}: it is missing below, and has to be in ` +
      "--initial-cluster on every node before any is restored",
  );
  return restores ? [first, ...unclear, ...steps, last] : steps;
}

/**
 * Another one for each recovery: members of one token, name and URL have the same ids, so that an old one that still
 * runs takes the new ones for its own.
 */
function freshToken({ now }: NextStepOptions): string {
  return `restored-${new Date(now).toISOString().replace(/[-:]|\.\d+/g, "")}`;
}

/** `file` is a word of a shell already. */
function proof(file: string): string {
  return `sudo kubemend etcd health --restored-from ${file}`;
}

/** A word of a command that people will paste. */
function shellWord(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}
