/** What remains to be done after `recover`, as commands to paste. */
import type { StaticPodControlPlane } from "../../controlplane/control-plane.ts";
import { staticEtcdMembers } from "../../controlplane/static-etcd.ts";
import type { Recovery } from "../../operations/recover/recover.ts";

export interface NextStepOptions {
  readonly recoveryDir: string;
  readonly podManifestPath: string;
}

export function nextSteps({ plane, source, written }: Recovery, options: NextStepOptions): string[] {
  const directory = shellWord(written?.directory ?? options.recoveryDir);
  if (plane.flavour === "static-pods") {
    const backup = source.kind === "backup" ? shellWord(source.path) : undefined;
    return staticPodSteps(plane, directory, backup, options.podManifestPath);
  }
  const start = `sudo kubemend start --asset-dir=${directory}`;
  if (source.kind !== "backup") return [`on one control-plane node: ${start}`];
  if (plane.etcd !== undefined) {
    const needs =
      source.archive === undefined ? `the backup at ${source.path} there too` : "the asset dir at the same path";
    return [`on one control-plane node, with ${needs}: ${start}`];
  }
  return [
    `1. restore etcd, if its data is lost, on each of its members: sudo kubemend snapshot restore ${shellWord(source.path)} --data-dir=... --name=... --initial-cluster=...`,
    `2. on one control-plane node: ${start}`,
  ];
}

/** Without a backup etcd is not to be restored: it runs. */
function staticPodSteps(
  plane: StaticPodControlPlane,
  directory: string,
  backup: string | undefined,
  podManifestPath: string,
): string[] {
  const members = staticEtcdMembers(plane);
  const cluster = members.flatMap((each) => each.peerUrl.split(",").map((url) => `${each.name}=${url}`)).join(",");
  return plane.nodes.flatMap((node) => {
    const member = backup === undefined ? undefined : members.find((each) => each.node === node.name);
    const restore =
      member === undefined
        ? []
        : [
            `  sudo kubemend snapshot restore ${backup} ${[`--data-dir=${member.dataDir}`, `--name=${member.name}`, `--initial-cluster=${cluster}`, `--initial-advertise-peer-urls=${member.peerUrl}`].map(shellWord).join(" ")}`,
          ];
    return [
      `on ${node.name}, when the files of ${directory}/nodes/${node.name}/host-files.txt are there:`,
      ...restore,
      `  sudo cp ${directory}/nodes/${shellWord(node.name)}/manifests/*.yaml ${shellWord(podManifestPath)}/`,
    ];
  });
}

/** A word of a command that people will paste. */
function shellWord(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}
