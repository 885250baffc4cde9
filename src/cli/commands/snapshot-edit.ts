import type { EditResult } from "../../operations/snapshot/edit.ts";
import type { SurgeryEdit } from "../../operations/snapshot/surgery-request.ts";
import { argument, defineCommand } from "../options/define-command.ts";
import { decodingOf } from "../options/object-options.ts";
import { DRY_RUN_FLAG, resultFlags, snapshotOptions } from "../options/output-flags.ts";
import { ETCD_PREFIX_FLAG, IDENTITY_FLAG, SNAPSHOT_ARGUMENT } from "../options/snapshot-flags.ts";
import { SURGERY_FLAGS, surgeryOf } from "../options/surgery-flags.ts";
import { findingsText } from "../reports/findings-text.ts";
import { lineOf } from "../terminal/escape.ts";
import { tableText } from "../terminal/table.ts";

export const snapshotEdit = defineCommand({
  name: "edit",
  text: "a new snapshot with chosen objects removed, set, or taken from another",
  args: { file: SNAPSHOT_ARGUMENT, output: argument("<output>", "the new snapshot; nothing may have its name") },
  flags: {
    ...resultFlags(["text", "json"]),
    ...SURGERY_FLAGS,
    etcdPrefix: ETCD_PREFIX_FLAG,
    identity: IDENTITY_FLAG,
    dryRun: DRY_RUN_FLAG,
  },
  examples: [
    "kubemend snapshot edit backup.db mended.db --remove validatingwebhookconfiguration/dead",
    "kubemend snapshot edit backup.db mended.db --set deployment.yaml --encryption-config encryption.yaml",
    "kubemend snapshot edit backup.db mended.db -n shop --from monday.db configmap/settings secret/db",
    "kubemend snapshot edit backup.db mended.db --remove apiservice/v1beta1.metrics.k8s.io --dry-run",
  ],
  notes:
    "For objects that keep a control plane down. The changes make one more revision; the new snapshot is " +
    "verified before it gets its name. snapshot\nrestore takes the same flags.",
  page: "docs/give-back-objects.md",
  async run({ file, output }, flags, { host }) {
    const { editSnapshot } = await import("../../operations/snapshot/edit.ts");
    const { line, ...common } = snapshotOptions(host, flags);
    const result = await editSnapshot(file, output, {
      ...common,
      ...decodingOf(flags),
      request: surgeryOf(flags),
      isDryRun: flags.dryRun,
      now: host.now,
    });
    await line.end();
    await host.stdout.write(flags.output === "json" ? json(result) : editsText(result.edits));
    if (flags.output === "text") {
      await host.stderr.write(findingsText(result.findings));
      if (result.file !== null) await host.stdout.write(lineOf`wrote "${result.file}" at revision ${result.revision}`);
      else await host.stderr.write(flags.dryRun ? "" : "nothing was written: nothing changes\n");
    }
  },
});

/** A row an object: what is done, which, and how it is stored. */
export function editsText(edits: readonly Omit<SurgeryEdit, "key" | "value">[]): string {
  const rows = edits.map(({ action, name, encoding, encryption }) => [action, name, encoding, encryption]);
  return tableText([["ACTION", "OBJECT", "STORED", "ENCRYPTED"], ...rows]);
}

function json({ edits, ...rest }: EditResult): string {
  return `${JSON.stringify({ ...rest, edits: editsJson(edits) })}\n`;
}

/** Without the values, which may be secret. */
function editsJson(edits: readonly SurgeryEdit[]) {
  return edits.map(({ action, name, encoding, encryption }) => ({ action, name, encoding, encryption }));
}
