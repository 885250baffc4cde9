import { CHECKPOINTER_IMAGE } from "../../bootstrap/checkpointer-image.ts";
import { MendError } from "../../errors/errors.ts";
import { withoutLogin } from "../../errors/secret.ts";
import { defineCommand } from "../options/define-command.ts";
import { words } from "../options/flag.ts";
import { outputFlag } from "../options/output-flags.ts";
import { protectFlags } from "../options/protect-flags.ts";

/** The ConfigMap that `--server` makes: others may use that of the cluster's. */
const OWN_KUBECONFIG_MAP = "pod-checkpointer-kubeconfig";

export const checkpointManifests = defineCommand({
  name: "manifests",
  text: "print the manifests that deploy the agent: a DaemonSet and its permissions",
  flags: {
    image: words("--image <reference>", "the agent's image", { default: CHECKPOINTER_IMAGE }),
    nodeLabel: words("--node-label <label>", "of the nodes that it runs on", {
      default: "node-role.kubernetes.io/control-plane",
    }),
    kubeconfigMap: words(
      "--kubeconfig-map <name>",
      'the ConfigMap that has the "kubeconfig" to use (default: kubeconfig-in-cluster)',
    ),
    server: words("--server <url>", "the API server's own address: makes a ConfigMap for it"),
    ...protectFlags({
      manifests: "for clusters of static pods: as in checkpoint run",
      keyFile: "of the node, in /etc/kubernetes or /run: as in checkpoint run",
    }),
    output: outputFlag(["yaml", "json"]),
  },
  examples: [
    "kubemend checkpoint manifests | kubectl apply -f -",
    "kubemend checkpoint manifests --server=https://10.0.0.10:6443 | kubectl apply -f -",
    `kubemend checkpoint manifests --image=registry.example.com/kubemend:0.1.0 \\
  --node-label=node-role.kubernetes.io/master`,
  ],
  notes: `The agent reaches the API server by the ConfigMap "kubeconfig-in-cluster" of kube-system, which clusters of bootkube and
of kubemend render have. Where there is none, --server makes one.`,
  page: "docs/keep-a-node-recoverable.md",
  async run(_, { image, nodeLabel, server, output, ...flags }, { host }) {
    const { manifestJson, manifestYaml } = await import("../../bootstrap/manifest.ts");
    const { checkpointerManifests } = await import("../../bootstrap/cluster/checkpointer-manifests.ts");
    const { inClusterKubeconfig, KUBECONFIG_MAP } = await import("../../bootstrap/cluster/node-manifests.ts");
    if (server !== undefined && URL.parse(server)?.protocol !== "https:")
      throw new MendError("usage", `--server is "${withoutLogin(server)}": expected https://HOST:PORT`);
    const kubeconfigMap = flags.kubeconfigMap ?? (server === undefined ? KUBECONFIG_MAP : OWN_KUBECONFIG_MAP);
    const agentFlags = [
      ...(flags.protectManifests === undefined ? [] : [`--protect-manifests=${flags.protectManifests}`]),
      ...(flags.protectKeyFile === undefined ? [] : [`--protect-key-file=${flags.protectKeyFile}`]),
    ];
    const objects = [
      ...(server === undefined ? [] : [inClusterKubeconfig(server, manifestYaml, kubeconfigMap)]),
      ...Object.values(checkpointerManifests({ image, nodeLabel, kubeconfigMap, flags: agentFlags })),
    ];
    await host.stdout.write(
      output === "json"
        ? manifestJson({ apiVersion: "v1", kind: "List", items: objects })
        : objects.map(manifestYaml).join("---\n"),
    );
  },
});
