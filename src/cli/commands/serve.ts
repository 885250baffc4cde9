import { once } from "node:events";
import { resolve } from "node:path";
import { type Command, InvalidArgumentError, Option } from "commander";
import { type OutputOptions, outputOptions, parseRevision, snapshotOptions } from "../options/shared-options.ts";
import type { CommandContext } from "../program.ts";
import { findingsText } from "../reports/findings-text.ts";

const EXAMPLES = `
Examples:
  kubemend serve backup.db
  kubemend serve backup.db --at-revision 184596 --listen 127.0.0.1:8443
  kubemend serve backup.db --encryption-config encryption.yaml --show-secrets
  KUBECONFIG=... kubectl get pods -A     in another terminal, with the file that was printed`;

interface Options extends OutputOptions {
  readonly atRevision?: number;
  readonly listen: { readonly host: string; readonly port: number };
  readonly showSecrets?: true;
  readonly encryptionConfig?: string;
  readonly etcdPrefix?: string;
  readonly writeKubeconfig?: string;
}

export function registerServe(program: Command, { host }: CommandContext): void {
  outputOptions(program.command("serve"), ["text", "json"])
    .description("a read-only API server and a page on a backup, for kubectl and browsers")
    .argument("<file>", "snapshot, raw database, or an archive of one")
    .addOption(new Option("--at-revision <revision>", "as it was at an earlier revision").argParser(parseRevision))
    .addOption(
      new Option("--listen <address>", "where to listen; port 0 is any that is free")
        .argParser(parseAddress)
        .default({ host: "127.0.0.1", port: 0 }, "127.0.0.1:0"),
    )
    .option("--show-secrets", "serve the values of secrets (hidden unless given)")
    .option("--encryption-config <file>", "the API server's --encryption-provider-config")
    .option("--etcd-prefix <prefix>", "where the cluster is in etcd (found unless given)")
    .option("--write-kubeconfig <file>", "where to write the kubeconfig (a temporary file unless given)")
    .addHelpText("after", EXAMPLES)
    .action(async (file: string, options: Options) => {
      const { startServing } = await import("../../operations/serve/serve.ts");
      const { line, ...common } = snapshotOptions(host, options);
      const { atRevision, encryptionConfig, etcdPrefix, writeKubeconfig } = options;
      const serving = await startServing(resolve(host.cwd, file), {
        ...common,
        ...options.listen,
        now: host.now,
        showSecrets: options.showSecrets === true,
        ...(atRevision === undefined ? {} : { atRevision }),
        ...(encryptionConfig === undefined ? {} : { encryptionConfig }),
        ...(etcdPrefix === undefined ? {} : { etcdPrefix }),
        ...(writeKubeconfig === undefined ? {} : { kubeconfig: resolve(host.cwd, writeKubeconfig) }),
      });
      try {
        await line.end();
        await host.stderr.write(findingsText(serving.findings.list()));
        const { findings: _findings, close: _close, ...printed } = serving;
        await host.stdout.write(
          options.output === "json" ? `${JSON.stringify(printed)}\n` : servingText(file, serving),
        );
        if (!host.signal.aborted) await once(host.signal, "abort");
      } finally {
        await serving.close();
      }
    });
}

function servingText(
  file: string,
  serving: Awaited<ReturnType<typeof import("../../operations/serve/serve.ts").startServing>>,
): string {
  const { kubernetesVersion, revision, firstRevision, kubeconfig, page, contexts } = serving;
  const version = kubernetesVersion === undefined ? "" : `, Kubernetes ${kubernetesVersion}`;
  const lines = [
    `serving ${file} at revision ${revision}${version}, read-only`,
    `  kubectl   export KUBECONFIG=${kubeconfig}`,
    `  contexts  ${contexts.join(", ")}`,
    `  moments   revisions ${firstRevision} to ${revision}, each at ${serving.server}/at/REVISION`,
    `  page      ${page}`,
    "press Ctrl-C to stop",
  ];
  return `${lines.join("\n")}\n`;
}

/** `HOST:PORT`, `:PORT` or `[IPv6]:PORT`. */
function parseAddress(text: string): Options["listen"] {
  const match = /^(\[[0-9a-fA-F:.]+\]|[^:[\]\s]*):(\d{1,5})$/.exec(text);
  const port = Number(match?.[2]);
  if (match === null || port > 65535) throw new InvalidArgumentError("expected HOST:PORT, such as 127.0.0.1:8443");
  const host = match[1]!.replace(/^\[|\]$/g, "");
  return { host: host === "" ? "127.0.0.1" : host, port };
}
