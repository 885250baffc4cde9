/** The static pod of an etcd member that joins a living cluster: a present member's, with the new one's name and addresses. */
import { containerIndexOf } from "../kube/component.ts";
import { addFlag, changeFlag, flagValue } from "../kube/container-flags.ts";
import { objectOf, objectsOf } from "../kube/fields.ts";
import type { JsonObject } from "../kube/object.ts";

export interface JoiningMember {
  readonly name: string;
  /** The host part of its URLs: an address or a name. */
  readonly host: string;
  /** `NAME=PEER-URL,…` of all members, the new one among them. */
  readonly initialCluster: string;
}

/** Flags that hold URLs or addresses of the member itself. */
const OWN_ADDRESSES = [
  "listen-client-urls",
  "listen-peer-urls",
  "advertise-client-urls",
  "initial-advertise-peer-urls",
  "listen-metrics-urls",
];

/**
 * `manifest` is the pod of the member at `host` of `from`. Every URL of its own host gets the new host; loopback and
 * wildcard addresses stay. The token, which only a new cluster reads, is left out. Certificates are files of the new
 * node: their paths stay as they are.
 */
export function joiningManifest(manifest: JsonObject, from: string, member: JoiningMember): JsonObject {
  const spec = objectOf(manifest.spec);
  const at = containerIndexOf("etcd", spec);
  const containers = objectsOf(spec.containers).map((container, index) =>
    index === at ? joiningContainer(container, from, member) : container,
  );
  const metadata = objectOf(manifest.metadata);
  const annotations = Object.fromEntries(
    Object.entries(objectOf(metadata.annotations)).map(([key, value]) => [
      key,
      typeof value === "string" ? withHost(value, from, member.host) : value,
    ]),
  );
  return {
    ...manifest,
    metadata: { ...metadata, ...(Object.keys(annotations).length === 0 ? {} : { annotations }) },
    spec: { ...spec, containers },
  };
}

function joiningContainer(container: JsonObject, from: string, member: JoiningMember): JsonObject {
  let result = container;
  for (const flag of OWN_ADDRESSES) result = changeFlag(result, flag, (value) => withHost(value, from, member.host));
  const set: readonly [string, string][] = [
    ["name", member.name],
    ["initial-cluster", member.initialCluster],
    ["initial-cluster-state", "existing"],
  ];
  for (const [flag, value] of set) {
    result =
      flagValue(result, flag) === undefined ? addFlag(result, flag, value) : changeFlag(result, flag, () => value);
  }
  return result;
}

function withHost(text: string, from: string, to: string): string {
  const bracketed = (host: string) => (host.includes(":") && !host.startsWith("[") ? `[${host}]` : host);
  return text.split(`//${bracketed(from)}:`).join(`//${bracketed(to)}:`);
}
