import { InvalidArgumentError } from "commander";
import type { BackupVerification } from "../../operations/backup/verify.ts";
import { EXIT } from "../command.ts";
import { jsonLine } from "../json-outputs.ts";
import { REPOSITORY_ARGUMENT } from "../options/backup-flags.ts";
import { defineCommand } from "../options/define-command.ts";
import { parsed, toggle } from "../options/flag.ts";
import { given } from "../options/given.ts";
import { resultFlags, snapshotOptions } from "../options/output-flags.ts";
import { IDENTITY_FLAG } from "../options/snapshot-flags.ts";
import { findingsSummary, findingsText } from "../reports/findings-text.ts";
import { byteText } from "../terminal/byte-text.ts";

export const backupVerify = defineCommand({
  name: "verify",
  text: "read every object, and name what is damaged, missing, moved or not ours",
  args: { repository: REPOSITORY_ARGUMENT },
  flags: {
    ...resultFlags(["text", "json"]),
    identity: IDENTITY_FLAG,
    headsOnly: toggle("--heads-only", "read the chain alone, and that every content is there with its size"),
    knownTip: parsed("--known-tip <link[:hash]>", "the end of the chain as an earlier run printed it", parseTip),
  },
  examples: [
    "kubemend backup verify /mnt/backup/prod",
    "kubemend backup verify /mnt/backup/prod --identity prod.identity",
    "kubemend backup verify /mnt/backup/prod --known-tip 48120",
  ],
  notes: `Without an identity it proves that every stored byte is what was written, signed and in its place; with one, that
it can be read too. Links that were removed from the end of the chain leave no trace in it: keep the tip that this
prints, and give it to the next run.`,
  page: "docs/back-up-continuously.md",
  async run({ repository }, flags, { host }) {
    const { verifyBackups } = await import("../../operations/backup/verify.ts");
    const { line, moments, progress } = snapshotOptions(host, flags);
    const result = await verifyBackups(repository, {
      ...moments,
      signal: host.signal,
      headsOnly: flags.headsOnly,
      ...given({ progress, knownTip: flags.knownTip }),
    });
    await line.end();
    await host.stdout.write(flags.output === "json" ? jsonLine("backup verify", result) : verifyText(result));
    if (result.findings.some(({ level }) => level === "error")) return EXIT.failed;
    return result.links === 0 ? EXIT.unknown : EXIT.done;
  },
});

const DEPTHS = {
  heads: "heads alone",
  stored: "stored bytes; nothing was decrypted, because no identity was given",
  content: "contents",
} as const;

function verifyText(result: BackupVerification): string {
  const { findings, links, depth, bytesRead, tip } = result;
  const read = depth === "heads" ? DEPTHS.heads : `${byteText(bytesRead)}, ${DEPTHS[depth]}`;
  const summary = `${links} links, read: ${read}: ${findingsSummary(findings)}\n`;
  return `${findingsText(findings)}${summary}${tip === null ? "" : `tip: ${tip.sequence}:${tip.hash}\n`}`;
}

function parseTip(text: string): { sequence: number; hash?: string } {
  const [, sequence, hash] = /^(\d{1,10})(?::([0-9a-f]{64}))?$/.exec(text) ?? [];
  if (sequence === undefined) throw new InvalidArgumentError("expected LINK or LINK:HASH, as backup verify prints it");
  return hash === undefined ? { sequence: Number(sequence) } : { sequence: Number(sequence), hash };
}
