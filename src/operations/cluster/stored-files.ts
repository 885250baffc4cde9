/**
 * What backup agents stored of the nodes' own files, where the backup is a moment of a repository: certificates and
 * keys, manifests, the kubelet's configuration.
 */
import { dirname } from "node:path";
import { KUBERNETES } from "../../cluster/node-needs.ts";
import { type Link, readContent, whereOf } from "../../io/repository/repository.ts";
import { objectOf, objectsOf, textOf } from "../../kube/fields.ts";
import type { JsonObject } from "../../kube/object.ts";
import { readYaml } from "../../kube/read-yaml.ts";
import type { NodeHead } from "../../repository/head.ts";
import { decodeNodeFiles } from "../../repository/node-files.ts";
import { momentPlace, openForReading } from "../../snapshot/open-moment.ts";
import type { SnapshotOptions } from "../../snapshot/open-snapshot.ts";
import type { SentFile } from "./node/prepare-node.ts";

type NodeLink = Link & { readonly signed: { readonly head: NodeHead } };

/**
 * By node, by path: as they were last stored until the moment. Links and directories are left out, and kubeconfigs whose
 * credentials are elsewhere: those are made again. Empty for a file, which holds none.
 */
export async function readStoredFiles(
  path: string,
  { moments }: SnapshotOptions,
): Promise<ReadonlyMap<string, ReadonlyMap<string, SentFile>>> {
  const place = moments === undefined ? undefined : momentPlace(path, moments);
  if (moments === undefined || place?.kind !== "repository") return new Map();
  const { repository, links } = await openForReading(place.address, moments);
  try {
    const until = place.moment.kind === "time" ? place.moment.time : Number.POSITIVE_INFINITY;
    const newest = new Map<string, NodeLink>();
    for (const link of links.filter(isOfNode)) {
      const { node, written } = link.signed.head;
      // Files of after the moment are better than none: a node that joined, a certificate that was renewed.
      if (Date.parse(written) <= until || !newest.has(node)) newest.set(node, link);
    }
    const stored = new Map<string, ReadonlyMap<string, SentFile>>();
    for (const [node, link] of newest) {
      const { files } = decodeNodeFiles(await readContent(repository, link), whereOf(repository, link));
      const sent = files.flatMap(({ path: file, type, content = "", mode, uid, gid }) =>
        type === "file" && !namesOtherFiles(file, content)
          ? [[file, { path: file, content, mode, uid, gid }] as const]
          : [],
      );
      stored.set(node, new Map(sent));
    }
    return stored;
  } finally {
    await repository.store.close();
  }
}

function isOfNode(link: Link): link is NodeLink {
  return link.signed.head.kind === "node";
}

/** Such as the kubelet's, which continues with a certificate in `/var/lib/kubelet/pki` that it renews itself. */
export function namesOtherFiles(path: string, base64: string): boolean {
  if (dirname(path) !== KUBERNETES || !path.endsWith(".conf")) return false;
  let config: JsonObject;
  try {
    config = objectOf(readYaml(Buffer.from(base64, "base64").toString()) as JsonObject);
  } catch {
    return false; // a file that is called so and is something else
  }
  const named = objectsOf(config.users).flatMap(({ user }) => {
    const { "client-certificate": certificate, "client-key": key, tokenFile } = objectOf(user);
    return [certificate, key, tokenFile].map(textOf);
  });
  return named.some((each) => each !== "" && !each.startsWith(`${KUBERNETES}/`));
}
