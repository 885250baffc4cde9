import { resolve } from "node:path";
import { type Command, InvalidArgumentError, Option } from "commander";
import { BOOTSTRAP_SECRETS_DIR } from "../../bootstrap/fix-up.ts";
import { parseRequiredPod, type RequiredPod } from "../../bootstrap/pivot.ts";
import type { EtcdOutcome } from "../../operations/start/bring-etcd-back.ts";
import type { StartPreview } from "../../operations/start/start.ts";
import type { CommandContext } from "../command.ts";
import { duration } from "../options/flag.ts";
import { REQUEST_TIMEOUT_FLAG } from "../options/request-timeout.ts";
import { storyTeller } from "../options/shared-options.ts";

const EXAMPLES = `
Examples:
  kubemend start --asset-dir=recovered
  kubemend start --asset-dir=cluster --strict --timeout=10m
  kubemend start --asset-dir=cluster --required-pods=kube-system/kube-apiserver,kube-system/kube-scheduler`;

interface Options {
  readonly assetDir: string;
  readonly podManifestPath: string;
  readonly requiredPods?: readonly RequiredPod[];
  readonly dryRun?: true;
  readonly strict?: true;
  readonly timeout: number;
  readonly requestTimeout?: number;
  readonly output: string;
  readonly quiet?: true;
}

export function registerStart(program: Command, context: CommandContext): void {
  const { host } = context;
  program
    .command("start")
    .description("start a cluster on this master from its asset dir, rendered or recovered")
    .requiredOption("--asset-dir <dir>", "what render or recover has written")
    .option("--pod-manifest-path <dir>", "where the kubelet looks for static pods", "/etc/kubernetes/manifests")
    .addOption(
      new Option("--required-pods <pods>", "NAMESPACE/NAME,... to wait for, by the beginning of their names").argParser(
        parsePods,
      ),
    )
    .option("--dry-run", "change nothing: check everything, and print what would be done")
    .option("--strict", "fail when a manifest cannot be created")
    .addOption(duration("--timeout <duration>", "how long to wait in all", { default: "20m" }).option())
    .addOption(REQUEST_TIMEOUT_FLAG.option())
    .addOption(new Option("-o, --output <format>", "output format").choices(["text", "json"]).default("text", "text"))
    .option("-q, --quiet", "print errors and the result only")
    .addHelpText("after", EXAMPLES)
    .action(async (options: Options) => {
      const { previewStart, startControlPlane } = await import("../../operations/start/start.ts");
      const began = host.now();
      const start = {
        assetDir: resolve(host.cwd, options.assetDir),
        podManifestPath: resolve(host.cwd, options.podManifestPath),
        secretsDir: BOOTSTRAP_SECRETS_DIR,
        requiredPods: options.requiredPods,
        strict: options.strict === true,
        timeoutMs: options.timeout,
        signal: host.signal,
        variables: host.env,
        manners: { requestTimeoutMs: options.requestTimeout }, // it starts an API server, and says itself that it waits for it
        now: host.now,
        tell: storyTeller(host, options.quiet === true),
      };
      if (options.dryRun === true) {
        const preview = await previewStart(start);
        const isJson = options.output === "json";
        await host.stdout.write(
          isJson ? `${JSON.stringify({ ...preview, etcd: preview.etcd ?? null })}\n` : previewText(preview),
        );
        return;
      }
      const { created, existed, failed, node, etcd } = await startControlPlane(start);
      const seconds = Math.round((host.now() - began) / 1000);
      if (options.output === "json") {
        await host.stdout.write(`${JSON.stringify({ node, seconds, created, existed, failed, etcd: etcd ?? null })}\n`);
      } else {
        await host.stdout.write(`The control plane runs, and holds its leases. It took ${seconds} s.\n`);
        if (etcd !== undefined) await host.stdout.write(etcdText(etcd));
      }
    });
}

function previewText({ node, manifests, secretsDir, etcd, objects, required }: StartPreview): string {
  const lines = [`On node "${node}", a start would:`];
  if (etcd !== undefined) {
    if (etcd.restores !== undefined) lines.push(`restore etcd from "${etcd.restores}" into "${etcd.dataDir}"`);
    lines.push(
      `have the kubelet run etcd from "${etcd.manifest}", with its certificates in "${etcd.secretsDir}"; it stays`,
    );
  }
  lines.push(`put the secrets of the temporary control plane into "${secretsDir}"`);
  lines.push(...manifests.map((path) => `have the kubelet run "${path}"`));
  lines.push(`create ${objects} objects, where they are not there yet`);
  lines.push(`wait for ${required.join(", ")}, then take the temporary control plane away`);
  return `${lines.join("\n  ")}\n`;
}

function etcdText({ manifest, dataDir, secretsDir }: EtcdOutcome): string {
  return `The cluster's etcd is now a static pod of this machine, with one member, and no longer etcd-operator's:
  manifest      ${manifest}
  data          ${dataDir}
  certificates  ${secretsDir}
Next:
  keep these three: without them the cluster is lost again
  have backups made from now on: kubemend snapshot save (docs/back-up-and-restore-etcd.md)
  remove etcd-operator, if it still runs: kubectl delete deployment -n kube-system etcd-operator
`;
}

function parsePods(text: string): RequiredPod[] {
  return text.split(",").map((part) => {
    const pod = parseRequiredPod(part.trim());
    if (pod === undefined) throw new InvalidArgumentError("expected NAMESPACE/NAME, several separated by commas");
    return pod;
  });
}
