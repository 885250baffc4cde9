/** Looks at what this node has in place of a static pod of etcd. */
import { withoutMember } from "../../../cluster/without-member.ts";
import type { MendError } from "../../../errors/errors.ts";
import { findEtcdService } from "../../../io/node/etcd-service.ts";
import { checkpointedManifests, componentManifests } from "../../../io/node/local-components.ts";

export async function missingMember(staticPods: string): Promise<MendError> {
  const apiServer = componentManifests(staticPods).find(({ name }) => name === "kube-apiserver");
  return withoutMember({
    where: staticPods,
    unit: (await findEtcdService())?.unit,
    etcdServers: foreign(apiServer?.flags.findLast(({ name }) => name === "etcd-servers")?.value),
    isSelfHosted: checkpointedManifests().length > 0,
  });
}

/** kubeadm's API server uses the etcd of its own node, whose manifest is lost then. */
function foreign(servers: string | undefined): string | undefined {
  const hosts = servers?.split(",").map((url) => URL.parse(url)?.hostname) ?? [];
  return hosts.some((host) => host !== "127.0.0.1" && host !== "localhost" && host !== "[::1]") ? servers : undefined;
}
