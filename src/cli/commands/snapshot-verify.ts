import type { SnapshotVerification } from "../../operations/snapshot/verify.ts";
import { EXIT } from "../command.ts";
import { defineCommand } from "../options/define-command.ts";
import { given } from "../options/given.ts";
import { resultFlags, snapshotOptions } from "../options/output-flags.ts";
import { ENCRYPTION_FLAG, ETCD_PREFIX_FLAG, IDENTITY_FLAG, SNAPSHOT_ARGUMENT } from "../options/snapshot-flags.ts";
import { findingsSummary, findingText } from "../reports/findings-text.ts";

export const snapshotVerify = defineCommand({
  name: "verify",
  text: "check the hash, every page, every revision and every object; print every finding",
  args: { file: SNAPSHOT_ARGUMENT },
  flags: {
    ...resultFlags(["text", "json"]),
    identity: IDENTITY_FLAG,
    encryptionConfig: ENCRYPTION_FLAG,
    etcdPrefix: ETCD_PREFIX_FLAG,
  },
  examples: [
    "kubemend snapshot verify backup.db",
    "kubemend snapshot verify backup.db --encryption-config /etc/kubernetes/encryption.yaml",
    "kubemend snapshot verify backup.db -o json | jq .findings",
  ],
  notes: "Exit code 1 means that at least one finding is an error.",
  page: "docs/read-a-snapshot.md",
  async run({ file }, flags, { host }) {
    const { verifySnapshot } = await import("../../operations/snapshot/verify.ts");
    const { loadEncryptionConfig } = await import("../../snapshot/load-encryption-config.ts");
    const encryption = loadEncryptionConfig(flags.encryptionConfig);
    const { line, ...common } = snapshotOptions(host, flags);
    const verdict = await verifySnapshot(file, { ...common, ...given({ encryption, etcdPrefix: flags.etcdPrefix }) });
    await line.end();
    await host.stdout.write(flags.output === "json" ? `${JSON.stringify(verdict)}\n` : verdictText(file, verdict));
    return verdict.ok ? EXIT.done : EXIT.failed;
  },
});

function verdictText(file: string, verdict: SnapshotVerification): string {
  const { findings, objects, encrypted, opaque, unreadable, tombstones } = verdict;
  const values = [
    `${objects} objects decoded`,
    `${tombstones} deletions`,
    ...(encrypted > 0 ? [`${encrypted} encrypted and not checked`] : []),
    ...(opaque > 0 ? [`${opaque} not Kubernetes objects`] : []),
    ...(unreadable > 0 ? [`${unreadable} unreadable`] : []),
  ];
  const lines = [
    ...findings.map((finding) => findingText(finding).trimEnd()),
    `sha256:   ${verdict.sha256}`,
    `pages:    ${verdict.pages} checked`,
    `history:  up to revision ${verdict.revision}`,
    `values:   ${values.join(", ")}`,
    `verdict:  ${verdict.ok ? "good" : "DAMAGED"}, ${findingsSummary(findings)}${verdict.ok ? "" : ` in ${file}`}`,
  ];
  return `${lines.join("\n")}\n`;
}
