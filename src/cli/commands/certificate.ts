/** `kubemend certificate …`: certificates of this machine. */
import { resolve } from "node:path";
import { Command, InvalidArgumentError, Option } from "commander";
import { MendError } from "../../errors/errors.ts";
import type { CommandContext } from "../command.ts";
import { tableText } from "../terminal/table.ts";

const EXAMPLES = `
Examples:
  sudo kubemend certificate renew /etc/kubernetes/pki/apiserver.crt
  sudo kubemend certificate renew /etc/kubernetes/admin.conf --ca-cert=/etc/kubernetes/pki/ca.crt --ca-key=/etc/kubernetes/pki/ca.key
  sudo kubemend certificate renew /etc/kubernetes/pki/apiserver.crt --key=/etc/kubernetes/pki/apiserver.key

Names and uses stay, and so does the key unless --key names another; each file is kept as FILE.until-TIME. API servers since 1.17 and etcd
take a new certificate up by themselves, other programs when they are started anew.`;

interface Options {
  readonly caCert?: string;
  readonly caKey?: string;
  readonly key?: string;
  readonly days: number;
  readonly dryRun?: true;
  readonly output: "text" | "json";
}

export function registerCertificate(program: Command, context: CommandContext): void {
  const certificate = program.command("certificate").description("certificates of this machine").helpCommand(false);
  certificate.addCommand(renewCommand(context).copyInheritedSettings(certificate));
}

function renewCommand({ host }: CommandContext): Command {
  return new Command("renew")
    .argument("<files...>", "PEM files of certificates, or kubeconfigs that hold one")
    .description("sign certificates anew, for the same keys and names")
    .option("--ca-cert <file>", "the authority that signed them (default: ca.crt beside each file)")
    .option("--ca-key <file>", "its key (default: ca.key beside each file)")
    .option("--key <file>", "the private key that it is to go with (default: the one that it was made for)")
    .addOption(new Option("--days <n>", "how long they are to be valid").argParser(parseDays).default(365))
    .option("--dry-run", "say what would be renewed, and write nothing")
    .addOption(new Option("-o, --output <format>", "output format").choices(["text", "json"]).default("text", "text"))
    .addHelpText("after", EXAMPLES)
    .action(async (files: string[], options: Options) => {
      const { caCert, caKey } = options;
      if ((caCert === undefined) !== (caKey === undefined)) {
        throw new MendError("usage", "--ca-cert and --ca-key belong together", { hint: "pass both of them, or none" });
      }
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
      if (options.output === "json") {
        await host.stdout.write(`${JSON.stringify({ renewed })}\n`);
        return;
      }
      const rows = renewed.map(({ file, subject, notAfter, kept }) => [file, subject, notAfter, kept ?? "(dry run)"]);
      await host.stdout.write(tableText([["FILE", "SUBJECT", "VALID UNTIL", "KEPT AS"], ...rows]));
    });
}

function parseDays(text: string): number {
  const days = Number(text);
  if (!/^\d+$/.test(text) || days < 1 || days > 36_500) throw new InvalidArgumentError("expected a number of days");
  return days;
}
