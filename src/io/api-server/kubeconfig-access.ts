/**
 * What a kubeconfig says, once it is read: a server, whom to trust, and who asks it. Every field that client-go knows
 * is used, or refused with its name.
 */
import { defined } from "../../errors/defined.ts";
import { MendError } from "../../errors/errors.ts";
import { Secret } from "../../errors/secret.ts";
import { readTextFile } from "../files/read-file.ts";
import { faultOfAuthority, faultOfClient, hintForClient } from "./client-material.ts";
import type { ExecPlugin } from "./exec-credential.ts";
import { type Impersonation, isHeaderText } from "./impersonation.ts";
import {
  besideFile,
  chooseContext,
  invalidKubeconfig,
  type Kubeconfig,
  type KubeconfigEntry,
  textField,
} from "./kubeconfig-file.ts";

/** How to reach a cluster, and as whom. */
export interface ClusterAccess {
  /** Where it was read, for messages. */
  readonly source: string;
  readonly server: URL;
  /** PEM; undefined: the system's authorities. */
  readonly ca: string | undefined;
  readonly serverName: string | undefined;
  readonly insecure: boolean;
  readonly certificate: string | undefined;
  /** A secret, like {@link token}. */
  readonly key: string | undefined;
  readonly token: Secret | undefined;
  readonly basic?: { readonly username: string; readonly password: Secret } | undefined;
  /** As whom the server is asked, instead of as oneself. */
  readonly impersonate?: Impersonation | undefined;
  /** A proxy on the way to the server: `http:`, `https:` or `socks5:`. */
  readonly proxy: URL | undefined;
}

const PROXIES: ReadonlySet<string> = new Set(["http:", "https:", "socks5:", "socks5h:"]);

/**
 * Of the context of that name, else of the current one. Throws `config-invalid` with what is missing or wrong; auth
 * providers are `unsupported`.
 */
export function accessOf(
  config: Kubeconfig,
  contextName: string | undefined,
): { readonly access: ClusterAccess; readonly exec: ExecPlugin | undefined } {
  const context = chooseContext(config, contextName);
  const { source } = config;
  const cluster = config.clusters.get(textField(context, "cluster"));
  if (cluster === undefined) throw invalidKubeconfig(source, "has no cluster of the name that its context gives");
  const userName = textField(context, "user");
  const user = config.users.get(userName);
  if (user === undefined && userName !== "")
    throw invalidKubeconfig(source, "has no user of the name that its context gives");
  const credentials = user === undefined ? NOBODY : credentialsOf(user);
  const ca = material(cluster, "certificate-authority");
  const insecure = cluster.fields["insecure-skip-tls-verify"] === true;
  const server = serverOf(cluster, insecure || ca !== undefined || credentials.certificate !== undefined);
  const authorityFault = insecure && ca !== undefined ? BOTH : faultOfAuthority(ca);
  if (authorityFault !== undefined) throw invalidKubeconfig(cluster.file, authorityFault);
  const access: ClusterAccess = {
    source,
    server,
    proxy: proxyOf(cluster),
    ca,
    serverName: textField(cluster, "tls-server-name") || undefined,
    insecure,
    ...credentials,
  };
  const plugin = user?.fields.exec;
  return {
    access,
    exec:
      plugin === undefined || plugin === null
        ? undefined
        : parseExecPlugin(plugin as Fields, defined(user).file, cluster),
  };
}

type Fields = Readonly<Record<string, unknown>>;
type Credentials = Pick<ClusterAccess, "certificate" | "key" | "token" | "basic" | "impersonate">;

const NOBODY: Credentials = { certificate: undefined, key: undefined, token: undefined };
const BOTH = "has a certificate authority and insecure-skip-tls-verify, which exclude each other";

/** Without a scheme it is by TLS where there is anything to be used for that. */
function serverOf(cluster: KubeconfigEntry, isTls: boolean): URL {
  const text = textField(cluster, "server");
  const hasScheme = text === "" || /^[a-z]+:\/\//i.test(text);
  const server = URL.parse(hasScheme ? text : `${isTls ? "https" : "http"}://${text}`);
  if (server === null || !/^https?:$/.test(server.protocol))
    throw invalidKubeconfig(cluster.file, "has no server URL in its cluster");
  if (server.username !== "" || server.password !== "")
    throw invalidKubeconfig(
      cluster.file,
      "has a user in its server's URL: give it as username and password of the user",
    );
  if (server.search !== "" || server.hash !== "")
    throw invalidKubeconfig(cluster.file, "has more than a host, a port and a path in its server's URL");
  return server;
}

function proxyOf(cluster: KubeconfigEntry): URL | undefined {
  const text = textField(cluster, "proxy-url");
  if (text === "") return undefined;
  const proxy = URL.parse(text);
  if (proxy !== null && PROXIES.has(proxy.protocol)) return proxy;
  throw new MendError(
    "unsupported",
    `kubeconfig "${cluster.file}" names a proxy that is none of HTTP, HTTPS or SOCKS5`,
    {
      where: cluster.file,
      hint: "use a proxy-url that begins with http://, https:// or socks5://, or a kubeconfig without one",
    },
  );
}

function credentialsOf(user: KubeconfigEntry): Credentials {
  const { file } = user;
  if (user.fields["auth-provider"]) throw unsupportedCredentials(file, "auth-provider");
  const certificate = material(user, "client-certificate");
  const key = material(user, "client-key");
  const fault = faultOfClient(certificate, key);
  if (fault !== undefined) {
    throw new MendError("config-invalid", `kubeconfig "${file}" ${fault}`, { where: file, hint: hintForClient(fault) });
  }
  const token = tokenOf(user);
  const [username, password] = [textField(user, "username"), textField(user, "password")];
  const hasPassword = username !== "" || password !== "";
  if (hasPassword && token !== undefined)
    throw invalidKubeconfig(file, "has a token and a password for one user, which exclude each other");
  const basic = hasPassword ? { username, password: new Secret(password) } : undefined;
  if (basic?.username.includes(":")) throw invalidKubeconfig(file, "has a username with a colon, which cannot be sent");
  return {
    certificate,
    key: certificate === undefined ? undefined : key,
    token,
    basic,
    impersonate: impersonationOf(user),
  };
}

/** A file that can be read wins: its token may have been renewed since the kubeconfig was written. */
function tokenOf(user: KubeconfigEntry): Secret | undefined {
  const [own, file] = [textField(user, "token"), textField(user, "tokenFile")];
  let token = own;
  if (file !== "") {
    try {
      token = readTextFile(besideFile(user, file)).trim() || own;
    } catch (error) {
      if (own === "") throw error;
    }
  }
  if (!isHeaderText(token)) throw invalidKubeconfig(user.file, "has a token with characters that no token has");
  return token === "" ? undefined : new Secret(token);
}

function impersonationOf(user: KubeconfigEntry): Impersonation | undefined {
  const impersonation: Impersonation = {
    user: textField(user, "as"),
    uid: textField(user, "as-uid") || undefined,
    groups: (user.fields["as-groups"] ?? []) as readonly string[],
    extra: (user.fields["as-user-extra"] ?? {}) as Readonly<Record<string, readonly string[]>>,
  };
  const { user: name, uid, groups, extra } = impersonation;
  const isMore = uid !== undefined || groups.length > 0 || Object.keys(extra).length > 0;
  if (name === "" && !isMore) return undefined;
  if (name === "")
    throw invalidKubeconfig(
      user.file,
      "asks for groups, a uid or extra fields of another user without naming it in as",
    );
  if (![name, uid ?? "", ...groups, ...Object.values(extra).flat()].every(isHeaderText))
    throw invalidKubeconfig(user.file, "names another user with characters that cannot be sent");
  return impersonation;
}

export function unsupportedCredentials(path: string, plugin: string): MendError {
  return new MendError("unsupported", `"${path}" asks for credentials by "${plugin}"`, {
    hint: "use a kubeconfig with a client certificate or a token",
  });
}

function parseExecPlugin(plugin: Fields, file: string, cluster: KubeconfigEntry): ExecPlugin {
  const text = (value: unknown): string => (typeof value === "string" ? value : "");
  const list = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : []);
  const command = text(plugin.command);
  if (command === "") throw invalidKubeconfig(file, "has an exec plugin without a command");
  if (plugin.interactiveMode === "Always") {
    throw new MendError("unsupported", `kubeconfig "${file}" has an exec plugin that must ask at a terminal`, {
      where: file,
      hint: "run it once with kubectl and use a kubeconfig with the certificate or token that it gives",
    });
  }
  return {
    command,
    args: list(plugin.args).map(text),
    env: Object.fromEntries(
      list(plugin.env).map((each) => [text((each as Fields)?.name), text((each as Fields)?.value)]),
    ),
    apiVersion: text(plugin.apiVersion),
    installHint: text(plugin.installHint),
    file,
    ...(plugin.provideClusterInfo === true && { cluster: clusterInfo(cluster) }),
  };
}

/** What `provideClusterInfo` hands to the plugin (`client.authentication.k8s.io/v1`, `Cluster`). */
function clusterInfo(cluster: KubeconfigEntry): Fields {
  const ca = material(cluster, "certificate-authority");
  const extensions = (Array.isArray(cluster.fields.extensions) ? cluster.fields.extensions : []) as readonly Fields[];
  const own = extensions.find((each) => each?.name === "client.authentication.k8s.io/exec")?.extension;
  return {
    server: textField(cluster, "server"),
    ...(textField(cluster, "tls-server-name") !== "" && { "tls-server-name": textField(cluster, "tls-server-name") }),
    ...(cluster.fields["insecure-skip-tls-verify"] === true && { "insecure-skip-tls-verify": true }),
    ...(ca !== undefined && { "certificate-authority-data": Buffer.from(ca).toString("base64") }),
    ...(textField(cluster, "proxy-url") !== "" && { "proxy-url": textField(cluster, "proxy-url") }),
    ...(own !== undefined && { config: own }),
  };
}

/** `FIELD-data` in base64, or the file that `FIELD` names. */
function material(owner: KubeconfigEntry, field: string): string | undefined {
  const data = textField(owner, `${field}-data`);
  if (data !== "") {
    // Go's decoder passes over line breaks and nothing else.
    const digits = data.replace(/[\r\n]/g, "");
    if (!/^[A-Za-z0-9+/]*={0,2}$/.test(digits) || digits.length % 4 !== 0)
      throw invalidKubeconfig(owner.file, `has ${field}-data that is not base64`);
    return Buffer.from(digits, "base64").toString("utf8");
  }
  const file = textField(owner, field);
  return file === "" ? undefined : readTextFile(besideFile(owner, file));
}
