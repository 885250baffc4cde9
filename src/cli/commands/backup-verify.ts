import { Command, InvalidArgumentError } from "commander";
import type { BackupVerification } from "../../operations/backup/verify.ts";
import { type CommandContext, EXIT } from "../command.ts";
import { REPOSITORY_ARGUMENT } from "../options/backup-options.ts";
import {
  type IdentityOptions,
  identityOption,
  type OutputOptions,
  outputOptions,
  snapshotOptions,
} from "../options/shared-options.ts";
import { findingsSummary, findingsText } from "../reports/findings-text.ts";
import { byteText } from "../terminal/byte-text.ts";

const EXAMPLES = `
Without an identity it proves that every stored byte is what was written, signed and in its place; with one, that it can
be read too. Links that were removed from the end of the chain leave no trace in it: keep the tip that this prints, and
give it to the next run.

Examples:
  kubemend backup verify /mnt/backup/prod
  kubemend backup verify /mnt/backup/prod --identity prod.identity
  kubemend backup verify /mnt/backup/prod --known-tip 48120:5e884898da28047151d0e56f8dc6292773603d0d6aabbdd62a11ef721d1542d8`;

interface Options extends OutputOptions, IdentityOptions {
  readonly headsOnly?: true;
  readonly knownTip?: { readonly sequence: number; readonly hash?: string };
}

export function backupVerifyCommand({ host, exit }: CommandContext): Command {
  return identityOption(outputOptions(new Command("verify"), ["text", "json"]))
    .description("read every object, and name what is damaged, missing, moved or not ours")
    .argument("<repository>", REPOSITORY_ARGUMENT)
    .option("--heads-only", "read the chain alone, and that every content is there with its size")
    .option("--known-tip <link[:hash]>", "the end of the chain as an earlier run printed it", parseTip)
    .addHelpText("after", EXAMPLES)
    .action(async (repository: string, options: Options) => {
      const { verifyBackups } = await import("../../operations/backup/verify.ts");
      const { line, moments, progress } = snapshotOptions(host, options);
      const result = await verifyBackups(repository, {
        ...moments!,
        signal: host.signal,
        ...(progress === undefined ? {} : { progress }),
        headsOnly: options.headsOnly === true,
        ...(options.knownTip === undefined ? {} : { knownTip: options.knownTip }),
      });
      await line.end();
      await host.stdout.write(options.output === "json" ? `${JSON.stringify(result)}\n` : verifyText(result));
      if (result.findings.some(({ level }) => level === "error")) exit(EXIT.failed);
      else if (result.links === 0) exit(EXIT.unknown);
    });
}

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
