/** How to reach etcd: endpoints in every form that etcdctl takes, TLS material, a user. */

import { resolveSrv } from "node:dns/promises";
import { createSecureContext } from "node:tls";
import { defined } from "../../errors/defined.ts";
import { MendError } from "../../errors/errors.ts";
import { input } from "../../errors/input.ts";
import { Secret, withoutLogin } from "../../errors/secret.ts";
import { systemCode } from "../../errors/system-error.ts";
import { readBytes, readTextFile } from "../files/read-file.ts";
import type { TlsMaterial } from "../network/tls-material.ts";
import { findLocalEtcd } from "./local-etcd.ts";

/** What the command line and etcdctl's environment variables say. */
export interface EtcdFlags {
  readonly endpoints: readonly string[];
  /** Finds the endpoints by DNS: `_etcd-client-ssl._tcp.DOMAIN` and `_etcd-client._tcp.DOMAIN`. */
  readonly discoverySrv?: string;
  /** `_etcd-client-ssl-NAME._tcp.DOMAIN` and `_etcd-client-NAME._tcp.DOMAIN` instead. */
  readonly discoverySrvName?: string;
  /** Take endpoints without TLS from DNS too; etcdctl does unless set otherwise. */
  readonly insecureDiscovery?: boolean;
  /** Paths of PEM files. */
  readonly cacert?: string;
  readonly cert?: string;
  readonly key?: string;
  readonly insecureSkipTlsVerify?: boolean;
  readonly user?: string;
  readonly password?: string;
  /** Its first line is the password. */
  readonly passwordFile?: string;
  /** Asks the person at the terminal for the password. */
  readonly askPassword?: (question: string) => Promise<string>;
  /** Log in at members by the addresses that they advertise, too; else at the endpoints that are named. */
  readonly trustMembers?: boolean;
  /** Milliseconds for one request. */
  readonly timeout: number;
}

export interface EtcdAccess {
  /** URLs without a path. */
  readonly endpoints: readonly string[];
  readonly tls: TlsMaterial;
  readonly user: EtcdUserLogin | undefined;
  readonly timeout: number;
}

/** A login, and where it may be used. */
export interface EtcdUserLogin {
  readonly name: string;
  readonly password: Secret;
  /** Endpoints that the user has named. */
  readonly named: readonly string[];
  /** At others as well, where they are by TLS or the named ones are not. */
  readonly trustMembers: boolean;
}

/**
 * Whether the password may be sent there: never to an address that nobody named, without consent, and never in a weaker
 * way than to the named ones.
 */
export function mayLogIn({ named, trustMembers }: EtcdUserLogin, endpoint: string): boolean {
  if (named.includes(endpoint)) return true;
  const meansTls = named.length === 0 || named.some((each) => each.startsWith("https:"));
  const isWeaker = !endpoint.startsWith("https:") && meansTls;
  return trustMembers && !isWeaker;
}

/** Reads the files and resolves the names. Throws `usage`, and what reading a file throws. */
export async function prepareEtcdAccess(named: EtcdFlags): Promise<EtcdAccess> {
  const flags = withLocalEtcd(named);
  const { cacert, cert, key } = flags;
  if ((cert === undefined) !== (key === undefined)) {
    const missing = cert === undefined ? input("cert") : input("key");
    throw new MendError("usage", `${missing} is missing: ${input("cert")} and ${input("key")} belong together`, {
      hint: `pass ${missing} too`,
    });
  }
  const tls: TlsMaterial = {
    rejectUnauthorized: flags.insecureSkipTlsVerify !== true,
    ...(cacert === undefined ? {} : { ca: readBytes(cacert) }),
    ...(cert === undefined || key === undefined ? {} : { cert: readBytes(cert), key: readBytes(key) }),
  };
  checkMaterial(tls, flags);
  const endpoints = await findEndpoints(flags);
  const login = await readLogin(flags);
  const user = login && {
    ...login,
    named: namedEndpoints(endpoints, flags),
    trustMembers: flags.trustMembers === true,
  };
  return { endpoints, tls, user, timeout: flags.timeout };
}

/**
 * Where a login may be sent without more consent. What DNS says is not what the user has named: where TLS is meant, by
 * files or because DNS has endpoints with it, those without TLS are not among them.
 */
export function namedEndpoints(
  endpoints: readonly string[],
  { discoverySrv, cacert, cert }: Pick<EtcdFlags, "discoverySrv" | "cacert" | "cert">,
): readonly string[] {
  if (discoverySrv === undefined) return endpoints;
  const withTls = endpoints.filter((each) => each.startsWith("https:"));
  return withTls.length > 0 || cacert !== undefined || cert !== undefined ? withTls : endpoints;
}

const DEFAULT_ENDPOINT = "127.0.0.1:2379";

/**
 * Where no endpoint is named: as this machine's control plane reaches etcd, else etcdctl's default. Files that are
 * named win.
 */
function withLocalEtcd(flags: EtcdFlags): EtcdFlags {
  if (flags.endpoints.length > 0 || flags.discoverySrv !== undefined) return flags;
  const own = findLocalEtcd();
  if (own === undefined) return { ...flags, endpoints: [DEFAULT_ENDPOINT] };
  const { cacert, cert, key } = flags;
  const isNamed = cacert !== undefined || cert !== undefined || key !== undefined;
  return isNamed ? { ...flags, endpoints: own.endpoints } : { ...flags, ...own };
}

/**
 * The endpoints that flags name, each as a URL, by DNS where that is asked for. Throws `usage` and `etcd-unreachable`.
 */
export async function findEndpoints(flags: EtcdFlags): Promise<string[]> {
  const { cacert, cert, discoverySrv } = flags;
  const found = discoverySrv === undefined ? flags.endpoints : await discoverEndpoints(discoverySrv, flags);
  const scheme = cacert !== undefined || cert !== undefined ? "https" : "http";
  const endpoints = found.map((endpoint) => parseEndpoint(endpoint, scheme));
  if (endpoints.length === 0) {
    throw new MendError("usage", "no endpoint is given", {
      hint: `pass ${input("endpoints")} https://10.0.0.1:2379,...`,
    });
  }
  return [...new Set(endpoints)];
}

/** An URL without a path; what has no scheme gets `scheme`. */
export function parseEndpoint(text: string, scheme: "http" | "https"): string {
  const given = text.trim();
  const refuse = (reason: string): never => {
    throw new MendError("usage", `endpoint "${withoutLogin(given)}" ${reason}`, {
      hint: "give endpoints such as https://10.0.0.1:2379 or https://[fd00::1]:2379",
    });
  };
  const full = /^[a-z][a-z0-9+.-]*:\/\//i.test(given) ? given : `${scheme}://${given}`;
  if (!URL.canParse(full)) return refuse("is no URL");
  const url = new URL(full);
  if (url.protocol !== "http:" && url.protocol !== "https:") return refuse("must be http or https");
  if (url.username !== "" || url.password !== "" || url.hash !== "" || url.search !== "" || !/^\/?$/.test(url.pathname))
    return refuse("has more than an address");
  // URL drops the scheme's own port, which is none of etcd's.
  const port = url.port === "" ? (/:(80|443)\/?$/.exec(full)?.[1] ?? "2379") : url.port;
  return `${url.protocol}//${url.hostname}:${port}`;
}

/** The password is part of the user, given beside it, in a file, or asked for, in that order. */
async function readLogin(flags: EtcdFlags): Promise<{ readonly name: string; readonly password: Secret } | undefined> {
  const { user, password, passwordFile, askPassword } = flags;
  if (user === undefined || user === "") return undefined;
  const at = user.indexOf(":");
  if (at >= 0 && password === undefined && passwordFile === undefined)
    return { name: user.slice(0, at), password: new Secret(user.slice(at + 1)) };
  if (password !== undefined && passwordFile === undefined) return { name: user, password: new Secret(password) };
  if (passwordFile !== undefined)
    return { name: user, password: new Secret(defined(readTextFile(passwordFile).split(/\r?\n/)[0])) };
  if (askPassword !== undefined)
    return { name: user, password: new Secret(await askPassword(`password of etcd's user "${user}": `)) };
  throw new MendError("usage", `user "${user}" has no password`, {
    hint: `pass ${input("passwordFile")}, set ETCDCTL_PASSWORD, or pass ${input("user")} NAME:PASSWORD`,
  });
}

/**
 * By the SRV records of a domain, as etcdctl does: those for TLS and then those without, where there are both
 * (`GetClient` in etcd's client/pkg/srv). Where only TLS is wanted and there is none, etcdctl falls back to 127.0.0.1;
 * this throws. `resolve` is DNS unless given.
 */
export async function discoverEndpoints(
  domain: string,
  { discoverySrvName = "", insecureDiscovery = true }: Partial<EtcdFlags> = {},
  resolve: typeof resolveSrv = resolveSrv,
): Promise<string[]> {
  const suffix = discoverySrvName === "" ? "" : `-${discoverySrvName}`;
  const secure = `_etcd-client-ssl${suffix}._tcp`;
  const plain = `_etcd-client${suffix}._tcp`;
  const lookUp = async (service: string, scheme: string): Promise<string[]> => {
    try {
      const records = await resolve(`${service}.${domain}`);
      return records
        .toSorted((a, b) => a.priority - b.priority)
        .map((record) => `${scheme}://${record.name}:${record.port}`);
    } catch (error) {
      if (systemCode(error) === undefined) throw error;
      return []; // no such record
    }
  };
  const [withTls, without] = await Promise.all([lookUp(secure, "https"), lookUp(plain, "http")]);
  const found = insecureDiscovery ? [...withTls, ...without] : withTls;
  if (found.length > 0) return found;
  if (without.length > 0) {
    throw new MendError("etcd-unreachable", `the SRV records for etcd in "${domain}" are all without TLS`, {
      where: domain,
      hint: `add ${secure} to that zone, leave ${input("insecureDiscovery")}=false out, or pass ${input("endpoints")}`,
    });
  }
  throw new MendError("etcd-unreachable", `no SRV records for etcd in "${domain}"`, {
    where: domain,
    hint: `check ${secure} and ${plain} in that zone, or pass ${input("endpoints")}`,
  });
}

/** Files that are no PEM, or do not belong together, are said before anything is connected. */
function checkMaterial(tls: TlsMaterial, { cacert, cert, key }: EtcdFlags): void {
  try {
    createSecureContext(tls);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const files = [cacert, cert, key].filter((path) => path !== undefined).join(", ");
    const text =
      code === "ERR_OSSL_X509_KEY_VALUES_MISMATCH"
        ? "the client key is not that of the client certificate"
        : `the TLS files cannot be used: ${code ?? "they are no PEM"}`;
    throw new MendError("tls-failed", text, {
      where: files,
      hint: `pass PEM files: ${input("cacert")}, and ${input("cert")} with the ${input("key")} that belongs to it`,
      cause: error,
    });
  }
}
