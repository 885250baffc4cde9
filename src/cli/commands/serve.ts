import { once } from "node:events";
import type { Serving } from "../../operations/serve/serve.ts";
import { defineCommand } from "../options/define-command.ts";
import { parsed, path, toggle } from "../options/flag.ts";
import { withFlags } from "../options/input-flags.ts";
import { ANY_LOCAL_PORT, parseAddress } from "../options/listen-address.ts";
import { resultFlags, snapshotOptions } from "../options/output-flags.ts";
import {
  AT_REVISION_FLAG,
  ENCRYPTION_FLAG,
  ETCD_PREFIX_FLAG,
  IDENTITY_FLAG,
  SNAPSHOT_ARGUMENT,
} from "../options/snapshot-flags.ts";
import { findingsText } from "../reports/findings-text.ts";

export const serveCommand = defineCommand({
  name: "serve",
  text: "a read-only API server and a page on a backup, for kubectl and browsers",
  args: { file: SNAPSHOT_ARGUMENT },
  flags: {
    ...resultFlags(["text", "json"]),
    atRevision: AT_REVISION_FLAG,
    listen: parsed("--listen <address>", "where to listen; port 0 is any that is free", parseAddress, {
      default: ANY_LOCAL_PORT,
      shown: "127.0.0.1:0",
    }),
    showSecrets: toggle("--show-secrets", "serve the values of secrets (hidden unless given)"),
    encryptionConfig: ENCRYPTION_FLAG,
    etcdPrefix: ETCD_PREFIX_FLAG,
    writeKubeconfig: path("--write-kubeconfig <file>", "where to write the kubeconfig (default: a temporary file)"),
    identity: IDENTITY_FLAG,
  },
  examples: [
    "kubemend serve backup.db",
    "kubemend serve backup.db --at-revision 184596 --listen 127.0.0.1:8443",
    "kubemend serve /backups/prod@latest --show-secrets",
    "KUBECONFIG=... kubectl get pods -A     # in another terminal, with the file that was printed",
  ],
  page: "docs/serve-a-backup.md",
  async run({ file }, flags, { host }) {
    const { startServing } = await import("../../operations/serve/serve.ts");
    const { line, ...common } = snapshotOptions(host, flags);
    const { atRevision, encryptionConfig, etcdPrefix, writeKubeconfig, showSecrets } = flags;
    const serving = await startServing(file, {
      ...common,
      ...flags.listen,
      now: host.now,
      inUserTerms: withFlags,
      showSecrets,
      ...(atRevision === undefined ? {} : { atRevision }),
      ...(encryptionConfig === undefined ? {} : { encryptionConfig }),
      ...(etcdPrefix === undefined ? {} : { etcdPrefix }),
      ...(writeKubeconfig === undefined ? {} : { kubeconfig: writeKubeconfig }),
    });
    try {
      await line.end();
      await host.stderr.write(findingsText(serving.findings.list()));
      const { findings: _findings, close: _close, ...printed } = serving;
      await host.stdout.write(flags.output === "json" ? `${JSON.stringify(printed)}\n` : servingText(file, serving));
      if (!host.signal.aborted) await once(host.signal, "abort");
    } finally {
      await serving.close();
    }
  },
});

function servingText(file: string, serving: Serving): string {
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
