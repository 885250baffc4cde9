/** `kubemend certificate renew FILE...|all`. */
import { resolve } from "node:path";
import { MendError } from "../../errors/errors.ts";
import type { Renewed } from "../../operations/certificate/renew-certificates.ts";
import { EXIT, type ExitCode } from "../command.ts";
import type { Host } from "../host.ts";
import { jsonLine } from "../json-outputs.ts";
import { DAYS_FLAG, PLACE_FLAGS } from "../options/certificate-flags.ts";
import { argument, defineCommand } from "../options/define-command.ts";
import { path, type ValuesOf } from "../options/flag.ts";
import { DRY_RUN_FLAG, outputFlag } from "../options/output-flags.ts";
import { tableText } from "../terminal/table.ts";

const FLAGS = {
  ...PLACE_FLAGS,
  caCert: path("--ca-cert <file>", "the authority that signed them (default: the one beside each, or in pki)"),
  caKey: path("--ca-key <file>", "its key"),
  key: path("--key <file>", "the private key to certify (default: the one that the certificate was made for)"),
  days: DAYS_FLAG,
  dryRun: DRY_RUN_FLAG,
  output: outputFlag(["text", "json"]),
};

type Flags = ValuesOf<typeof FLAGS>;

export const certificateRenew = defineCommand({
  name: "renew",
  text: "sign certificates again, for the same keys and names",
  args: { files: argument("<files...>", "PEM files of certificates, kubeconfigs that hold one, or all") },
  flags: FLAGS,
  examples: [
    "sudo kubemend certificate renew all",
    "sudo kubemend certificate renew /etc/kubernetes/pki/apiserver.crt",
    "sudo kubemend certificate renew /etc/kubernetes/pki/etcd/server.crt --days=365",
    "sudo kubemend certificate renew /etc/kubernetes/pki/apiserver.crt --key=/etc/kubernetes/pki/apiserver.key",
  ],
  notes: `"all" is every certificate and kubeconfig of a kubeadm node whose authority's key is here. Names and usages stay, and
so does the key unless --key names another; each file is kept as FILE.until-TIME. API servers since 1.17 and etcd read a
new certificate by themselves, other programs when they are restarted.`,
  page: "docs/certificates.md",
  async run({ files }, flags, { host }) {
    const { caCert, caKey, key, days, dryRun } = flags;
    if ((caCert === undefined) !== (caKey === undefined)) {
      throw new MendError("usage", "--ca-cert and --ca-key belong together", { hint: "pass both of them, or none" });
    }
    if (files.length === 1 && files[0] === "all") return await renewEverything(flags, host);
    const { renewCertificates } = await import("../../operations/certificate/renew-certificates.ts");
    const renewed = await renewCertificates({
      files: files.map((file) => resolve(host.cwd, file)),
      authority: caCert === undefined || caKey === undefined ? undefined : { certificate: caCert, key: caKey },
      key,
      days,
      dryRun,
      now: host.now(),
    });
    await host.stdout.write(
      flags.output === "json" ? jsonLine("certificate renew", { renewed }) : renewedText(renewed),
    );
    await host.stderr.write(shortenedText(renewed));
    return EXIT.done;
  },
});

async function renewEverything(flags: Flags, host: Host): Promise<ExitCode> {
  if (flags.caCert !== undefined || flags.key !== undefined) {
    throw new MendError("usage", '"all" takes each certificate\'s own authority and key', {
      hint: "leave --ca-cert, --ca-key and --key out, or name the files",
    });
  }
  const { renewAll } = await import("../../operations/certificate/renew-all.ts");
  const { kubernetesDir, kubeletDir, days, dryRun } = flags;
  const result = await renewAll({ kubernetesDir, kubeletDir, days, dryRun, now: host.now() });
  if (flags.output === "json") await host.stdout.write(jsonLine("certificate renew all", result));
  else {
    await host.stdout.write(renewedText(result.renewed));
    for (const { file, why } of result.skipped) await host.stderr.write(`not renewed: ${file}: ${why}\n`);
    for (const restart of result.restarts) await host.stderr.write(`restart: ${restart}\n`);
  }
  await host.stderr.write(shortenedText(result.renewed));
  return result.skipped.some(({ isFine }) => !isFine) ? EXIT.failed : EXIT.done;
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
