/** The checkpointers of all nodes, as the API server knows them. */
import { AGENT_LABEL, type NodeCheckpointer, nodeCheckpointers } from "../../../checkpoint/node-checkpointers.ts";
import { FROM_CACHE, listAll } from "../../../io/api-server/api-lists.ts";
import type { ClusterApi } from "../../../io/api-server/cluster-api.ts";
import { nodeOf } from "../../../kube/mirror-pod.ts";

/** The agents first: only the pods of their nodes, which are few, are looked at for checkpoints. */
export async function gatherCheckpointers(api: ClusterApi, signal: AbortSignal): Promise<NodeCheckpointer[]> {
  const selector = `labelSelector=${encodeURIComponent(AGENT_LABEL)}`;
  const agents = await listAll(api, "/api/v1/pods", `${selector}&${FROM_CACHE}`, signal);
  const places = agents.map((pod) => ({ node: nodeOf(pod), namespace: pod.metadata.namespace ?? "" }));
  const wanted = new Map(places.map((place) => [`${place.namespace}/${place.node}`, place]));
  const lists = await Promise.all(
    [...wanted.values()]
      .filter(({ node }) => node !== "")
      .map(({ node, namespace }) => {
        const ofNode = `fieldSelector=${encodeURIComponent(`spec.nodeName=${node}`)}`;
        return listAll(api, `/api/v1/namespaces/${namespace}/pods`, `${ofNode}&${FROM_CACHE}`, signal);
      }),
  );
  return nodeCheckpointers([...agents, ...lists.flat()]);
}
