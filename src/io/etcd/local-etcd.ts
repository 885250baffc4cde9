/**
 * How this machine's own control plane reaches etcd: by the flags of its API server, else by those of its etcd member.
 * So on a control-plane node nobody has to know endpoints and certificates by heart.
 */
import { type Flag, flagNamed } from "../../kube/container-flags.ts";
import { reachableFile } from "../node/component-files.ts";
import { checkpointedManifests, componentManifests, componentProcesses, unitOf } from "../node/local-components.ts";
import { staticPodDirectory } from "../node/static-pod-directory.ts";

/** One component of this machine: its command line, and its process where it runs. */
export interface EtcdUser {
  readonly name: string;
  readonly flags: readonly Flag[];
  readonly pid: number | undefined;
}

/** Endpoints, and the paths of PEM files as this machine has them. */
export interface LocalEtcd {
  readonly endpoints: readonly string[];
  readonly cacert?: string;
  readonly cert?: string;
  readonly key?: string;
}

/** Undefined where this machine has no control plane. An etcd that somebody runs without a unit or a manifest is none. */
export function findLocalEtcd(): LocalEtcd | undefined {
  const manifests = [...componentManifests(staticPodDirectory()), ...checkpointedManifests()];
  const processes = componentProcesses();
  const users = ["kube-apiserver", "etcd"].flatMap((name): EtcdUser[] => {
    const process = processes.find((each) => each.name === name);
    const manifest = manifests.find((each) => each.name === name);
    const isOurs = name === "kube-apiserver" || manifest !== undefined || unitOf("etcd") !== undefined;
    const flags = (process ?? manifest)?.flags;
    return flags === undefined || !isOurs ? [] : [{ name, flags, pid: process?.pid }];
  });
  return etcdOf(users);
}

/** As the API server among them reaches etcd, else as the member would be reached. */
export function etcdOf(users: readonly EtcdUser[]): LocalEtcd | undefined {
  const server = users.find(({ name }) => name === "kube-apiserver");
  const servers = flagNamed(server?.flags, "etcd-servers");
  const asServer =
    server === undefined || servers === undefined
      ? undefined
      : flagsFrom(server, servers, ["etcd-cafile", "etcd-certfile", "etcd-keyfile"]);
  const member = asMember(users);
  if (asServer === undefined) return member;
  // Where the API server's own certificate is gone, the member's files open the same etcd.
  const isLost = lacksCertificate(asServer) && member !== undefined && !lacksCertificate(member);
  return isLost ? { ...member, endpoints: asServer.endpoints } : asServer;
}

/** Whether it is dialed by TLS, and no certificate for that is here. */
export function lacksCertificate({ endpoints, cert, key }: Pick<LocalEtcd, "endpoints" | "cert" | "key">): boolean {
  return endpoints.some((url) => url.startsWith("https:")) && (cert === undefined || key === undefined);
}

function asMember(users: readonly EtcdUser[]): LocalEtcd | undefined {
  const member = users.find(({ name }) => name === "etcd");
  const urls = flagNamed(member?.flags, "advertise-client-urls") ?? flagNamed(member?.flags, "listen-client-urls");
  if (member === undefined || urls === undefined) return undefined;
  // A member's own certificate often is a client's as well; where it is not, etcd says so.
  return flagsFrom(member, urls, ["trusted-ca-file", "cert-file", "key-file"]);
}

function flagsFrom(user: EtcdUser, urls: string, [ca, cert, key]: readonly [string, string, string]): LocalEtcd {
  const file = (flag: string) => {
    const path = flagNamed(user.flags, flag);
    return path === undefined ? undefined : reachableFile(path, user.pid);
  };
  const files = { cacert: file(ca), cert: file(cert), key: file(key) };
  const known = Object.entries(files).filter(([, path]) => path !== undefined);
  return {
    endpoints: urls.split(",").filter((url) => url !== ""),
    ...(Object.fromEntries(known) as Pick<LocalEtcd, "cacert" | "cert" | "key">),
  };
}
