import { resolve } from "node:path";
import type { DrillResult } from "../../operations/backup/drill.ts";
import { EXIT } from "../command.ts";
import { jsonLine } from "../json-outputs.ts";
import { REPOSITORY_TEXT } from "../options/backup-flags.ts";
import { argument, defineCommand } from "../options/define-command.ts";
import { path, words } from "../options/flag.ts";
import { given } from "../options/given.ts";
import { resultFlags, snapshotOptions } from "../options/output-flags.ts";
import { IDENTITY_FLAG } from "../options/snapshot-flags.ts";
import { findingsSummary, findingsText } from "../reports/findings-text.ts";
import { proofText } from "./backup-restore.ts";

export const backupDrill = defineCommand({
  name: "drill",
  text: "restore the newest moment to a directory that is removed again, and prove that it is good",
  args: { repository: argument("<repository>", `${REPOSITORY_TEXT}; with @MOMENT behind it for another one`) },
  flags: {
    ...resultFlags(["text", "json"]),
    identity: IDENTITY_FLAG,
    directory: path("--directory <dir>", "where there is space for the database (default: $TMPDIR)"),
    encryptionConfig: path("--encryption-config <file>", "the API server's, for objects that are encrypted at rest"),
    etcd: words("--etcd <program>", "the etcd to start on it (default: the one on the path, where there is one)"),
  },
  examples: [
    "kubemend backup drill /mnt/backup/prod --identity prod.identity",
    "kubemend backup drill /mnt/backup/prod --identity prod.identity --etcd /usr/local/bin/etcd -o json",
  ],
  notes:
    "Made for a CronJob: exit code 1 means that the backup would not have helped. It leaves a note for list and status.",
  page: "docs/back-up-continuously.md",
  async run({ repository }, flags, { host }) {
    const { drill } = await import("../../operations/backup/drill.ts");
    const { line, moments, progress } = snapshotOptions(host, flags);
    const { directory, etcd } = flags;
    const encryptionConfig =
      flags.encryptionConfig === undefined ? undefined : resolve(host.cwd, flags.encryptionConfig);
    const result = await drill(repository, {
      moments,
      signal: host.signal,
      ...given({ progress, directory, etcd, encryptionConfig }),
    });
    await line.end();
    await host.stdout.write(flags.output === "json" ? jsonLine("backup drill", result) : drillText(result));
    return result.ok ? EXIT.done : EXIT.failed;
  },
});

const HASHES = {
  equal: ", with the HashKV that the cluster's etcd had",
  different: ", with another HashKV than the cluster's etcd had",
  absent: "",
} as const;

function drillText(result: DrillResult): string {
  const { moment, controlPlane, etcd, findings, ok } = result;
  const seconds = (milliseconds: number): string => `${(milliseconds / 1000).toFixed(1)} s`;
  const started =
    etcd === null
      ? "no etcd on this machine: none was started"
      : `etcd ${etcd.version} started on it in ${seconds(etcd.startMilliseconds)}, at revision ${etcd.revision}${HASHES[etcd.hashKv]}`;
  const rendered =
    controlPlane === null
      ? "it holds no control plane to render\n"
      : `control plane (${controlPlane.flavour}): ${controlPlane.files} files rendered\n`;
  return [
    findingsText(findings),
    `restored revision ${moment.revision} in ${seconds(result.restoreMilliseconds)}, ${seconds(result.totalMilliseconds)} in all\n`,
    proofText(moment),
    rendered,
    ...(controlPlane?.missing ?? []).map((text) => `missing: ${text}\n`),
    `${started}\n`,
    `${ok ? "good" : "NOT good"}: ${findingsSummary(findings)}\n`,
  ].join("");
}
