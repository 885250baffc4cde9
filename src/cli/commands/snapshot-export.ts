import { resolve } from "node:path";
import { MendError } from "../../errors/errors.ts";
import type { ExportCounts } from "../../operations/snapshot/export.ts";
import { EXIT } from "../command.ts";
import { argument, defineCommand } from "../options/define-command.ts";
import { words } from "../options/flag.ts";
import { given } from "../options/given.ts";
import { resultFlags, snapshotOptions } from "../options/output-flags.ts";
import {
  AT_REVISION_FLAG,
  ENCRYPTION_FLAG,
  ETCD_PREFIX_FLAG,
  IDENTITY_FLAG,
  SNAPSHOT_ARGUMENT,
} from "../options/snapshot-flags.ts";
import { findingsText, hasErrors } from "../reports/findings-text.ts";

export const snapshotExport = defineCommand({
  name: "export",
  text: "every object: a tree of YAML files, or a line of JSON for each key",
  args: {
    file: SNAPSHOT_ARGUMENT,
    types: argument("[type...]", "only these, such as deployments, cm or widgets.example.com"),
  },
  flags: {
    ...resultFlags(["text", "jsonl", "json"]),
    identity: IDENTITY_FLAG,
    dir: words("--dir <dir>", "write a tree of YAML files here: empty, or not there yet"),
    atRevision: AT_REVISION_FLAG,
    encryptionConfig: ENCRYPTION_FLAG,
    etcdPrefix: ETCD_PREFIX_FLAG,
  },
  examples: [
    "kubemend snapshot export backup.db --dir objects",
    "kubemend snapshot export backup.db -o jsonl | jq -r 'select(.kind == \"Secret\") | .key'",
    "kubemend snapshot export backup.db --dir before --at-revision 184596 deployments configmaps",
  ],
  notes: `The tree is NAMESPACE/KIND.GROUP/NAME.yaml, and _cluster in place of a namespace. It holds every secret in the
clear: files are 0600 in directories of 0700.`,
  page: "docs/read-a-snapshot.md",
  async run({ file, types }, flags, { host }) {
    const { dir, atRevision, etcdPrefix, output } = flags;
    if ((dir === undefined) === (output !== "jsonl")) {
      const text = dir === undefined ? "there is no place to write to" : "--dir and -o jsonl exclude each other";
      throw new MendError("usage", text, {
        hint: "pass --dir DIR for a tree of files, or -o jsonl for lines on stdout",
      });
    }
    const { exportLines, exportTree } = await import("../../operations/snapshot/export.ts");
    const { loadEncryptionConfig } = await import("../../snapshot/load-encryption-config.ts");
    const { line, ...common } = snapshotOptions(host, flags);
    const encryption = loadEncryptionConfig(flags.encryptionConfig);
    const operation = { ...common, types, ...given({ atRevision, encryption, etcdPrefix }) };
    const counts =
      dir === undefined
        ? await exportLines(file, operation, (lines) => host.stdout.writeBytes(lines))
        : await exportTree(file, resolve(host.cwd, dir), operation);
    await line.end();
    if (output === "json") await host.stdout.write(`${JSON.stringify({ directory: dir, ...counts })}\n`);
    else {
      const summary = flags.quiet ? "" : `${countsText(counts, dir)}\n`;
      await host.stderr.write(`${findingsText(counts.findings, flags.quiet)}${summary}`);
    }
    return hasErrors(counts.findings) ? EXIT.failed : EXIT.done;
  },
});

function countsText({ objects, encrypted, unreadable, opaque }: ExportCounts, dir: string | undefined): string {
  const left = [
    ...(encrypted > 0 ? [`${encrypted} encrypted`] : []),
    ...(unreadable > 0 ? [`${unreadable} unreadable`] : []),
    ...(opaque > 0 ? [`${opaque} not Kubernetes objects`] : []),
  ];
  const where = dir === undefined ? "" : ` to "${dir}"`;
  return `exported ${objects} object${objects === 1 ? "" : "s"}${where}${left.length === 0 ? "" : `; left out: ${left.join(", ")}`}`;
}
