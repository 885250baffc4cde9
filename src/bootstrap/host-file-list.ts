/**
 * The list, for people and for scripts, of what a node's static pods need from its disk: a table of tab-free columns,
 * comments start with `#`.
 */

import type { HostFile } from "../controlplane/host-files.ts";
import { defined } from "../errors/defined.ts";

const MEANING: Readonly<Record<HostFile["role"], string>> = {
  input: "bring it back from a backup of the host, copy it from another control-plane node, or make it again",
  data: "made by restoring the etcd backup",
  made: "made by the kubelet when it is not there",
};

export function hostFileList(node: string, files: readonly HostFile[]): string {
  const rows = files.map((file) => [file.role, file.kind, file.path, file.namedBy.join("; ")]);
  const widths = [0, 1, 2].map((column) => Math.max(...rows.map((row) => defined(row[column]).length), 0));
  const lines = rows.map((row) =>
    row
      .map((cell, i) => (i < 3 ? cell.padEnd(defined(widths[i])) : cell))
      .join("  ")
      .trimEnd(),
  );
  const roles = (["input", "data", "made"] as const).filter((role) => files.some((file) => file.role === role));
  return [
    `# What the static pods of ${node} need from its disk and etcd does not hold.`,
    ...roles.map((role) => `# ${role}: ${MEANING[role]}`),
    ...lines,
    "",
  ].join("\n");
}
