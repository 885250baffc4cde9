/** `kubemend certificate renew FILE...|all`. */
import { resolve } from "node:path";
import { Command, InvalidArgumentError, Option } from "commander";
import { MendError } from "../../errors/errors.ts";
import type { Renewed } from "../../operations/certificate/renew-certificates.ts";
import { type CommandContext, EXIT } from "../command.ts";
import { tableText } from "../terminal/table.ts";
import { type PlaceOptions, placeOptions, placesOf } from "./certificate-places.ts";

const EXAMPLES = `
Examples:
  sudo kubemend certificate renew all
  sudo kubemend certificate renew /etc/kubernetes/pki/apiserver.crt
  sudo kubemend certificate renew /etc/kubernetes/pki/etcd/server.crt --days=365
  sudo kubemend certificate renew /etc/kubernetes/pki/apiserver.crt --key=/etc/kubernetes/pki/apiserver.key

"all" is every certificate and kubeconfig of a node of kubeadm's whose authority's key is here. Names and uses stay, and so does the key unless --key names another; each file is
kept as FILE.until-TIME. API servers since 1.17 and etcd take a new certificate up by themselves, other programs when they are started anew.`;

interface Options extends PlaceOptions {
  readonly caCert?: string;
  readonly caKey?: string;
  readonly key?: string;
  readonly days?: number;
  readonly dryRun?: true;
  readonly output: "text" | "json";
}

export function renewCommand(context: CommandContext): Command {
  const { host } = context;
  return placeOptions(new Command("renew"))
    .argument("<files...>", "PEM files of certificates, kubeconfigs that hold one, or all")
    .description("sign certificates anew, for the same keys and names")
    .option("--ca-cert <file>", "the authority that signed them (default: the one that lies beside each, or in pki)")
    .option("--ca-key <file>", "its key")
    .option("--key <file>", "the private key that it is to go with (default: the one that it was made for)")
    .addOption(
      new Option("--days <n>", "how long they are to be valid (default: as long as before, a year at least)").argParser(
        parseDays,
      ),
    )
    .option("--dry-run", "say what would be renewed, and write nothing")
    .addOption(new Option("-o, --output <format>", "output format").choices(["text", "json"]).default("text", "text"))
    .addHelpText("after", EXAMPLES)
    .action(async (files: string[], options: Options) => {
      const { caCert, caKey } = options;
      if ((caCert === undefined) !== (caKey === undefined)) {
        throw new MendError("usage", "--ca-cert and --ca-key belong together", { hint: "pass both of them, or none" });
      }
      if (files.length === 1 && files[0] === "all") return await renewEverything(options, context);
      const path = (file: string) => resolve(host.cwd, file);
      const { renewCertificates } = await import("../../operations/certificate/renew-certificates.ts");
      const renewed = await renewCertificates({
        files: files.map(path),
        authority:
          caCert === undefined || caKey === undefined ? undefined : { certificate: path(caCert), key: path(caKey) },
        key: options.key === undefined ? undefined : path(options.key),
        days: options.days,
        dryRun: options.dryRun === true,
        now: host.now(),
      });
      await host.stdout.write(options.output === "json" ? `${JSON.stringify({ renewed })}\n` : renewedText(renewed));
      await host.stderr.write(shortenedText(renewed));
    });
}

async function renewEverything(options: Options, { host, exit }: CommandContext): Promise<void> {
  if (options.caCert !== undefined || options.key !== undefined) {
    throw new MendError("usage", '"all" takes each certificate\'s own authority and key', {
      hint: "leave --ca-cert, --ca-key and --key out, or name the files",
    });
  }
  const { renewAll } = await import("../../operations/certificate/renew-all.ts");
  const places = placesOf(host, options);
  const result = await renewAll({ ...places, days: options.days, dryRun: options.dryRun === true, now: host.now() });
  if (options.output === "json") await host.stdout.write(`${JSON.stringify(result)}\n`);
  else {
    await host.stdout.write(renewedText(result.renewed));
    for (const { file, why } of result.skipped) await host.stderr.write(`not renewed: ${file}: ${why}\n`);
    for (const restart of result.restarts) await host.stderr.write(`start anew: ${restart}\n`);
  }
  await host.stderr.write(shortenedText(result.renewed));
  if (result.skipped.some(({ isFine }) => !isFine)) exit(EXIT.failed);
}

function renewedText(renewed: readonly Renewed[]): string {
  const rows = renewed.map(({ file, subject, notAfter, kept }) => [file, subject, notAfter, kept ?? "(dry run)"]);
  return tableText([["FILE", "SUBJECT", "VALID UNTIL", "KEPT AS"], ...rows]);
}

/** Nobody expects that of a renewal. */
function shortenedText(renewed: readonly Renewed[]): string {
  return renewed
    .flatMap(({ file, notAfter, shortenedFrom }) =>
      shortenedFrom === null ? [] : `warning: ${file} was valid until ${shortenedFrom}, and is now until ${notAfter}\n`,
    )
    .join("");
}

function parseDays(text: string): number {
  const days = Number(text);
  if (!/^\d+$/.test(text) || days < 1 || days > 36_500) throw new InvalidArgumentError("expected a number of days");
  return days;
}
