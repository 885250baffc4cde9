import { Command, Option } from "commander";
import { CHECKPOINTER_IMAGE } from "../../bootstrap/checkpointer-image.ts";
import { MendError } from "../../errors/errors.ts";
import type { CommandContext } from "../command.ts";

const EXAMPLES = `
The agent reaches the API server by the ConfigMap "kubeconfig-in-cluster" of kube-system, which clusters of bootkube and of kubemend render have.
Where there is none, --server makes one.

Examples:
  kubemend checkpoint manifests | kubectl apply -f -
  kubemend checkpoint manifests --server=https://10.0.0.10:6443 | kubectl apply -f -
  kubemend checkpoint manifests --image=registry.example.com/kubemend:0.1.0 --node-label=node-role.kubernetes.io/master`;

/** The ConfigMap that `--server` makes: others may use that of the cluster's. */
const OWN_KUBECONFIG_MAP = "pod-checkpointer-kubeconfig";

interface Options {
  readonly image: string;
  readonly nodeLabel: string;
  readonly kubeconfigMap?: string;
  readonly server?: string;
  readonly protectManifests?: string;
  readonly protectKeyFile?: string;
  readonly output: "yaml" | "json";
}

export function checkpointManifestsCommand({ host }: CommandContext): Command {
  return new Command("manifests")
    .description("print the manifests that deploy the agent: a DaemonSet and what it may do")
    .option("--image <reference>", "what the agent runs from", CHECKPOINTER_IMAGE)
    .option("--node-label <label>", "of the nodes that it is for", "node-role.kubernetes.io/control-plane")
    .option("--kubeconfig-map <name>", 'the ConfigMap with the "kubeconfig" to use ("kubeconfig-in-cluster")')
    .option("--server <url>", "the API server's own address: makes a ConfigMap for it")
    .addOption(
      new Option("--protect-manifests [how]", "for clusters of static pods: as in checkpoint run")
        .choices(["mend", "notice"])
        .preset("mend"),
    )
    .option("--protect-key-file <file>", "of the node, in /etc/kubernetes or /run: as in checkpoint run")
    .addOption(new Option("-o, --output <format>", "output format").choices(["yaml", "json"]).default("yaml"))
    .addHelpText("after", EXAMPLES)
    .action(async ({ image, nodeLabel, server, output, ...options }: Options) => {
      const { manifestJson, manifestYaml } = await import("../../bootstrap/manifest.ts");
      const { checkpointerManifests } = await import("../../bootstrap/cluster/checkpointer-manifests.ts");
      const { inClusterKubeconfig, KUBECONFIG_MAP } = await import("../../bootstrap/cluster/node-manifests.ts");
      if (server !== undefined && URL.parse(server)?.protocol !== "https:")
        throw new MendError("usage", `--server is "${server}": expected https://HOST:PORT`);
      const kubeconfigMap = options.kubeconfigMap ?? (server === undefined ? KUBECONFIG_MAP : OWN_KUBECONFIG_MAP);
      const flags = [
        ...(options.protectManifests === undefined ? [] : [`--protect-manifests=${options.protectManifests}`]),
        ...(options.protectKeyFile === undefined ? [] : [`--protect-key-file=${options.protectKeyFile}`]),
      ];
      const objects = [
        ...(server === undefined ? [] : [inClusterKubeconfig(server, manifestYaml, kubeconfigMap)]),
        ...Object.values(checkpointerManifests({ image, nodeLabel, kubeconfigMap, flags })),
      ];
      await host.stdout.write(
        output === "json"
          ? manifestJson({ apiVersion: "v1", kind: "List", items: objects })
          : objects.map(manifestYaml).join("---\n"),
      );
    });
}
