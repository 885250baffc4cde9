/**
 * Which proxy leads to a server, as Go's `golang.org/x/net/http/httpproxy` and so kubectl chooses it: `HTTPS_PROXY` and
 * `HTTP_PROXY` by the server's scheme, unless `NO_PROXY` names it. This machine itself is never reached through a
 * proxy.
 */
import { BlockList, isIP } from "node:net";
import { MendError } from "../../errors/errors.ts";
import { hostOf } from "./http-exchange.ts";

export type Variables = Readonly<Record<string, string | undefined>>;

const SCHEMES: ReadonlySet<string> = new Set(["http:", "https:", "socks5:", "socks5h:"]);

/** Undefined where the server is dialed directly. Throws `unsupported` for a proxy that is none of HTTP, HTTPS or SOCKS5. */
export function chooseProxy(server: URL, variables: Variables): URL | undefined {
  const [name, value] = server.protocol === "https:" ? pick(variables, "HTTPS_PROXY") : pick(variables, "HTTP_PROXY");
  if (value === "" || isLocal(server) || isExcepted(server, pick(variables, "NO_PROXY")[1])) return undefined;
  const hasScheme = /^[a-z][a-z0-9+.-]*:\/\//i.test(value);
  const proxy = URL.parse(hasScheme ? value : `http://${value}`);
  if (proxy !== null && SCHEMES.has(proxy.protocol)) return proxy;
  // The value may hold a password.
  throw new MendError(
    "unsupported",
    `the environment variable ${name} names a proxy that is none of HTTP, HTTPS or SOCKS5`,
    {
      where: name,
      hint: `set it to a URL such as http://proxy.example.com:3128, unset it, or add the server to NO_PROXY`,
    },
  );
}

function pick(variables: Variables, name: string): readonly [name: string, value: string] {
  const lower = name.toLowerCase();
  return variables[name] ? [name, variables[name]] : [lower, variables[lower] ?? ""];
}

function isLocal(server: URL): boolean {
  const host = hostOf(server).toLowerCase();
  return host === "localhost" || host === "::1" || /^127\.\d+\.\d+\.\d+$/.test(host);
}

/**
 * `NO_PROXY`: names with their subdomains, `.names` for subdomains alone, addresses, CIDR ranges, each maybe with a
 * port, and `*` for everything.
 */
function isExcepted(server: URL, exceptions: string): boolean {
  const host = hostOf(server).toLowerCase().replace(/\.$/, "");
  const port = server.port || (server.protocol === "https:" ? "443" : "80");
  return exceptions.split(",").some((each) => {
    const entry = each.trim().toLowerCase();
    if (entry === "") return false;
    if (entry === "*") return true;
    if (entry.includes("/")) return isInRange(host, entry);
    const [, name = entry, ownPort] = /^\[?(.*?)\]?:(\d+)$/.exec(isIP(entry) === 6 ? "" : entry) ?? [];
    if (ownPort !== undefined && ownPort !== port) return false;
    if (isIP(name) !== 0 || isIP(host) !== 0) return name === host;
    const suffix = name.replace(/^\*(?=\.)/, "");
    return suffix.startsWith(".") ? host.endsWith(suffix) : host === suffix || host.endsWith(`.${suffix}`);
  });
}

function isInRange(host: string, range: string): boolean {
  const family = isIP(host);
  const [address = "", bits = ""] = range.split("/");
  if (family === 0 || isIP(address) !== family || !/^\d+$/.test(bits) || Number(bits) > (family === 4 ? 32 : 128))
    return false;
  const type = family === 4 ? "ipv4" : "ipv6";
  const list = new BlockList();
  list.addSubnet(address, Number(bits), type);
  return list.check(host, type);
}
