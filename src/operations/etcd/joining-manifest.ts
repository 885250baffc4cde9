/** The static pod of a member that was just added, from the manifest file of one that runs. */
import { manifestYaml } from "../../bootstrap/manifest.ts";
import { parseManifest } from "../../bootstrap/manifest-objects.ts";
import { joiningManifest } from "../../cluster/joining-manifest.ts";
import { MendError } from "../../errors/errors.ts";
import { readTextFile } from "../../io/files/read-file.ts";
import { recogniseComponent } from "../../kube/component.ts";
import { containerFlags } from "../../kube/container-flags.ts";
import { objectOf, objectsOf } from "../../kube/fields.ts";
import type { KubeObject } from "../../kube/object.ts";
import type { AddedMember } from "./change-members.ts";

export interface EtcdManifest {
  readonly pod: KubeObject;
  /** The host of its own peer URL. */
  readonly host: string;
}

/** Throws `config-invalid` for a file that holds no static pod of etcd with `--initial-advertise-peer-urls`. */
export function readEtcdManifest(path: string): EtcdManifest {
  const pod = parseManifest(path, readTextFile(path))
    .map(({ object }) => object)
    .find(({ kind, metadata, spec }) => {
      if (kind !== "Pod") return false;
      return recogniseComponent(metadata.labels ?? {}, metadata.name, objectOf(spec))?.component === "etcd";
    });
  const flags = objectsOf(objectOf(pod?.spec).containers).flatMap(containerFlags);
  const url = flags.find((flag) => flag.name === "initial-advertise-peer-urls")?.value?.split(",")[0];
  if (pod === undefined || url === undefined || !URL.canParse(url)) {
    throw new MendError("config-invalid", `"${path}" holds no static pod of an etcd member`, {
      where: path,
      hint: "pass the manifest of a member that runs, such as /etc/kubernetes/manifests/etcd.yaml",
    });
  }
  return { pod, host: hostOf(url) };
}

/** The new member's static pod as YAML. Its host is that of its first peer URL. */
export function makeJoiningManifest({ pod, host }: EtcdManifest, { environment }: AddedMember): string {
  const [url = ""] = environment.ETCD_INITIAL_ADVERTISE_PEER_URLS.split(",");
  const member = {
    name: environment.ETCD_NAME,
    host: hostOf(url),
    initialCluster: environment.ETCD_INITIAL_CLUSTER,
  };
  return manifestYaml(joiningManifest(pod, host, member));
}

/** Without the brackets of an IPv6 address. */
function hostOf(url: string): string {
  return (URL.parse(url)?.hostname ?? url).replace(/^\[|\]$/g, "");
}
