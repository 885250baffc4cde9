/** How etcd's peers reach each other, by the manifest of etcd that an operation keeps on this node. */
import type { NodeJournal } from "../../../cluster/node-facts.ts";
import type { PeerTls } from "../../../io/etcd/peer-status.ts";
import { readTextFile } from "../../../io/files/read-file.ts";
import { componentManifests } from "../../../io/node/local-components.ts";

/** Undefined where they speak plain HTTP. */
export function peerTls({ manifests }: Pick<NodeJournal, "manifests">): PeerTls | undefined {
  const etcd = componentManifests(manifests?.kept ?? "").find(({ name }) => name === "etcd");
  const flag = (name: string) => etcd?.flags.findLast((each) => each.name === name)?.value;
  const [ca, cert, key] = [flag("peer-trusted-ca-file"), flag("peer-cert-file"), flag("peer-key-file")];
  if (ca === undefined || cert === undefined || key === undefined) return undefined;
  return { ca: readTextFile(ca), cert: readTextFile(cert), key: readTextFile(key) };
}

/** "unreadable" where an undo has to do with a node that had lost them: an etcd without its certificates serves nobody. */
export function readablePeerTls(journal: Pick<NodeJournal, "manifests">): PeerTls | undefined | "unreadable" {
  try {
    return peerTls(journal);
  } catch {
    return "unreadable";
  }
}
