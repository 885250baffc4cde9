/** Peer URLs and `--initial-cluster`, by etcd's own rules (`client/pkg/types/urls.go`, `urlsmap.go`, `server/config`). */

import { defined } from "../errors/defined.ts";
import { MendError } from "../errors/errors.ts";
import { input } from "../errors/input.ts";
import { withoutLogin } from "../errors/secret.ts";

/** Sorted. Throws `usage` for what etcd refuses; `flag` is where they came from. */
export function parsePeerUrls(urls: readonly string[], flag: string): string[] {
  if (urls.length === 0) throw new MendError("usage", `${flag} has no URL`);
  return urls.map((url) => parsePeerUrl(url.trim(), flag)).sort();
}

function parsePeerUrl(url: string, flag: string): string {
  const refuse = (text: string): never => {
    throw new MendError("usage", `${flag} has "${withoutLogin(url)}": ${text}`, {
      hint: "give URLs such as https://10.0.0.1:2380",
    });
  };
  const match = /^([A-Za-z][A-Za-z0-9+.-]*):\/\/([^/?#]*)(.*)$/s.exec(url);
  if (match === null) return refuse("a URL begins with http://, https://, unix:// or unixs://");
  const scheme = defined(match[1]).toLowerCase();
  const host = defined(match[2]);
  const rest = defined(match[3]);
  if (scheme === "unix" || scheme === "unixs") return `${scheme}://${host}${rest}`;
  if (scheme !== "http" && scheme !== "https") return refuse("its scheme must be http, https, unix or unixs");
  if (!/^(\[[0-9A-Fa-f:.]+(%25[^\]]+)?\]|[^:[\]@\s]*):[0-9]*$/.test(host)) {
    return refuse("the address must have the form host:port (IPv6 in brackets)");
  }
  if (rest !== "") return refuse("it must not contain a path, a query or a fragment");
  return `${scheme}://${host}`;
}

/** Names to their sorted peer URLs, from `name=url,name=url`; a name that comes twice has both URLs. */
export function parseInitialCluster(text: string): Map<string, string[]> {
  const flag = input("initialCluster");
  const lists = new Map<string, string[]>();
  for (const pair of text.split(",")) {
    if (pair === "") continue;
    const at = pair.indexOf("=");
    const name = at < 0 ? pair : pair.slice(0, at);
    const url = at < 0 ? "" : pair.slice(at + 1);
    if (at < 0 || name === "") {
      throw new MendError("usage", `${flag} has "${withoutLogin(pair)}": each member is name=URL`, {
        hint: "give members such as infra0=https://10.0.0.1:2380,infra1=https://10.0.0.2:2380",
      });
    }
    lists.set(name, [...(lists.get(name) ?? []), url]);
  }
  if (lists.size === 0) throw new MendError("usage", `${flag} names no member`);
  return new Map([...lists].map(([name, urls]) => [name, parsePeerUrls(urls, flag)]));
}

/** Host names to their addresses, none where they cannot be resolved. */
export type HostAddresses = ReadonlyMap<string, readonly string[]>;

/**
 * The host names whose addresses {@link checkMemberInCluster} wants to know: etcd resolves names only where the URLs
 * differ as text, and never `localhost` (`pkg/netutil`).
 */
export function hostsToResolve(
  name: string,
  advertised: readonly string[],
  cluster: ReadonlyMap<string, readonly string[]>,
): string[] {
  const own = cluster.get(name);
  if (own === undefined || own.length !== advertised.length) return [];
  const differing = [
    ...own.filter((url) => !advertised.includes(url)),
    ...advertised.filter((url) => !own.includes(url)),
  ];
  const hosts = differing.map((url) => hostOf(url)?.host).filter((host) => host !== undefined);
  return [...new Set(hosts)].filter((host) => host !== "localhost" && host !== "" && !isAddress(host));
}

/**
 * Throws `usage` unless the member is in the cluster with these very URLs, by text or by address, and no URL comes
 * twice. Where a name has several addresses, etcd compares its first; here one in common is enough, so that the order
 * in which DNS answers changes nothing.
 */
export function checkMemberInCluster(
  name: string,
  advertised: readonly string[],
  cluster: ReadonlyMap<string, readonly string[]>,
  addresses: HostAddresses = new Map(),
): void {
  const own = cluster.get(name);
  if (own === undefined) {
    throw new MendError(
      "usage",
      `member "${name}" is not in ${input("initialCluster")}, which names ${quoted(cluster.keys())}`,
      {
        hint: `make ${input("name")} one of them, or add it to ${input("initialCluster")}`,
      },
    );
  }
  const owners = new Map<string, string>();
  for (const [member, urls] of cluster) {
    for (const url of urls) {
      const owner = owners.get(url);
      if (owner !== undefined) {
        const who = owner === member ? `"${member}" twice` : `both "${owner}" and "${member}"`;
        throw new MendError("usage", `${input("initialCluster")} gives "${url}" to ${who}`, {
          hint: "give each member URLs of its own",
        });
      }
      owners.set(url, member);
    }
  }
  const onlyAdvertised = [...advertised];
  const onlyInCluster = own.filter((url) => {
    const match = onlyAdvertised.findIndex((other) => areSamePlace(url, other, addresses));
    if (match >= 0) onlyAdvertised.splice(match, 1);
    return match < 0;
  });
  const why = resolutionText([...onlyInCluster, ...onlyAdvertised], addresses);
  const hint = "give both flags the same URLs for this member";
  if (onlyInCluster.length > 0) {
    const text =
      `${input("initialCluster")} gives "${name}" the URL ${quoted(onlyInCluster)}, missing from ` +
      `${input("initialAdvertisePeerUrls")}, which has ${quoted(advertised)}`;
    throw new MendError("usage", text + why, { hint });
  }
  if (onlyAdvertised.length > 0) {
    const text =
      `${input("initialAdvertisePeerUrls")} has ${quoted(onlyAdvertised)}, which ${input("initialCluster")} ` +
      `does not give "${name}"`;
    throw new MendError("usage", text + why, { hint });
  }
}

/** Of a URL over TCP; IPv6 in its shortest form, without brackets. */
function hostOf(url: string): { readonly scheme: string; readonly host: string; readonly port: string } | undefined {
  const match = /^(https?):\/\/(.*):(\d*)$/.exec(url);
  if (match === null) return undefined;
  const [, scheme, host, port] = match as unknown as [string, string, string, string];
  if (!host.startsWith("[")) return { scheme, host: host.toLowerCase(), port };
  const canonical = URL.canParse(`http://${host}`) ? new URL(`http://${host}`).hostname : host;
  return { scheme, host: canonical.slice(1, -1), port };
}

function isAddress(host: string): boolean {
  return host.includes(":") || /^\d+\.\d+\.\d+\.\d+$/.test(host);
}

function areSamePlace(a: string, b: string, addresses: HostAddresses): boolean {
  if (a === b) return true;
  const [one, other] = [hostOf(a), hostOf(b)];
  if (one === undefined || other === undefined || one.scheme !== other.scheme || one.port !== other.port) return false;
  const known = addresses.get(one.host) ?? [one.host];
  return (addresses.get(other.host) ?? [other.host]).some((address) => known.includes(address));
}

/** What became of the names in these URLs. */
function resolutionText(urls: readonly string[], addresses: HostAddresses): string {
  const parts = [...new Set(urls.map((url) => hostOf(url)?.host))].flatMap((host) => {
    const found = host === undefined ? undefined : addresses.get(host);
    if (found === undefined) return [];
    return [found.length === 0 ? `"${host}" cannot be resolved here` : `"${host}" is ${found.join(", ")}`];
  });
  return parts.length === 0 ? "" : ` (${parts.join("; ")})`;
}

function quoted(words: Iterable<string>): string {
  return [...words].map((word) => `"${word}"`).join(", ");
}
