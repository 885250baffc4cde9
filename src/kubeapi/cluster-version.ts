/** Which version of Kubernetes a keyspace was written by: what its API servers' images say, or else its kubelets. */
import { defined } from "../errors/defined.ts";
import type { KubeObject } from "../kube/object.ts";
import { list, text } from "./columns/field.ts";
import type { KeyspaceHistory } from "./history.ts";

/** Such as `v1.36.2`; undefined where nothing says. Several are one upgrade: the newest counts. */
export function readClusterVersion(history: KeyspaceHistory, revision: number, prefix: string): string | undefined {
  const servers = objectsAt(history, revision, `${prefix}/pods/kube-system/`, 500)
    .filter((pod) => /^(kube-)?apiserver$/.test(componentOf(pod)) || componentOf(pod) === "kube-apiserver")
    .flatMap((pod) => list(pod, "spec.containers").map((container) => text(container, "image")))
    .map((image) => /:(v\d+\.\d+\.\d+[-+.\w]*)$/.exec(image)?.[1]);
  const nodes = objectsAt(history, revision, `${prefix}/minions/`, 200).map((node) =>
    text(node, "status.nodeInfo.kubeletVersion"),
  );
  return newest(servers) ?? newest(nodes);
}

function componentOf(pod: KubeObject): string {
  const labels = pod.metadata?.labels;
  return text(labels, ["component"]) || text(labels, ["k8s-app"]) || text(labels, ["app.kubernetes.io/name"]);
}

function objectsAt(history: KeyspaceHistory, revision: number, place: string, most: number): readonly KubeObject[] {
  const [from, to] = history.range(place);
  const found: KubeObject[] = [];
  for (let key = from; key < to && found.length < most; key++) {
    const row = history.rowAt(key, revision);
    const decoded = row < 0 ? undefined : history.decode(row);
    if (decoded?.state === "object") found.push(decoded.object);
  }
  return found;
}

function newest(versions: readonly (string | undefined)[]): string | undefined {
  const parts = (version: string) => version.replace(/^v/, "").split(/[.+-]/).slice(0, 3).map(Number);
  return versions
    .filter((version) => version !== undefined && /^v\d+\.\d+/.test(version))
    .sort((a, b) => {
      const [one, two] = [parts(defined(a)), parts(defined(b))];
      return (
        defined(two[0]) - defined(one[0]) || defined(two[1]) - defined(one[1]) || defined(two[2]) - defined(one[2])
      );
    })[0];
}
