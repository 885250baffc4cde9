/**
 * Objects in etcd that no API server can read: a Secret whose key is gone, damaged bytes. One of them makes every list
 * and watch of its kind fail, and with it the controllers that need the kind (kubernetes#86489). Source of the
 * messages: k8s.io/apiserver/pkg/storage.
 */
import { defined } from "../errors/defined.ts";
import { input } from "../errors/input.ts";
import { commandLine } from "./command-line.ts";
import type { Facts, UnreadableFacts } from "./facts.ts";
import type { Trouble } from "./trouble.ts";

const UNREADABLE = new RegExp(
  [
    "unable to (?:transform|decode)|not transformable|not decodable|failed to decrypt|StorageReadError",
    'couldn\'t get version/kind|no kind "[^"]*" is registered|illegal base64 data',
    "proto: |cannot unmarshal|unexpected EOF",
  ].join("|"),
  "i",
);
const KEY = /\bkey:? ?=?\\*"?(\/[^\s",\\]+)/i;

/** What an API server's message says of an object that it cannot read; undefined where it speaks of something else. */
export function readUnreadable(message: string): { readonly key: string | undefined } | undefined {
  if (!UNREADABLE.test(message)) return undefined;
  return { key: KEY.exec(message)?.[1]?.replace(/[:;.]$/, "") };
}

/** From lists that the API server refuses; where it is down, from the last lines of this machine's logs. */
export function judgeUnreadable({ cluster, local }: Facts): Trouble[] {
  const found = new Map((cluster?.unreadable ?? []).map((each) => [each.key ?? each.resource, each]));
  for (const { log } of local?.components ?? []) {
    for (const line of log?.lastLines ?? []) {
      const key = readUnreadable(line)?.key;
      const resource = key === undefined ? undefined : resourceOf(key);
      if (key === undefined || resource === undefined || found.has(key)) continue;
      found.set(key, { resource, key, message: line.trim() });
    }
  }
  return [...found.values()].map(unreadableObject);
}

/** The kinds that have two segments after etcd's prefix, namespace and name, or one. */
function resourceOf(key: string): string | undefined {
  return /\/(secrets|configmaps)\/[^/]+\/[^/]+$/.exec(key)?.[1];
}

function unreadableObject({ resource, key, message }: UnreadableFacts): Trouble {
  const at = key === undefined ? -1 : key.lastIndexOf(`/${resource}/`);
  const [namespace, name] =
    at < 0
      ? []
      : defined(key)
          .slice(at + resource.length + 2)
          .split("/");
  const singular = resource.replace(/s$/, "");
  const what = name === undefined ? `one of the ${resource}` : `${singular} "${namespace}/${name}"`;
  // Where the API server does not name it, "snapshot verify" does.
  const remove =
    name === undefined ? [`${singular}/NAME`, "-n", "NAMESPACE"] : [`${singular}/${name}`, "-n", defined(namespace)];
  const commands = [
    commandLine("kubemend", "snapshot", "save", "before.db"),
    ...(name === undefined ? [commandLine("kubemend", "snapshot", "verify", "before.db")] : []),
    commandLine("kubemend", "snapshot", "restore", "before.db", input("dataDir"), "DIR", input("remove"), ...remove),
  ];
  const whileRunning =
    key === undefined ? "" : `; on a running etcd this does the same: ${commandLine("etcdctl", "del", key)}`;
  return {
    area: "blockers",
    level: "error",
    code: "stored-object-unreadable",
    where: name === undefined ? resource : `${singular} ${namespace}/${name}`,
    text: `the API server cannot read ${what} as etcd holds it`,
    evidence: [message],
    consequence:
      `lists and watches of ${resource} fail for everybody: controllers that need them do not start, and ` +
      "namespaces are not deleted",
    commands,
    advice:
      "first look for a key that opens it, and give it to every API server (--encryption-provider-config): " +
      `what is removed is lost${whileRunning}`,
  };
}
