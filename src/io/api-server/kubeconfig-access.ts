/** What a kubeconfig says, once it is read: a server, whom to trust, and a certificate or a token. */
import { dirname, resolve } from "node:path";
import { MendError } from "../../errors/errors.ts";
import { readTextFile } from "../files/read-file.ts";
import type { ExecPlugin } from "./exec-credential.ts";

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
  readonly token: string | undefined;
  /** An HTTP proxy on the way to the server. */
  readonly proxy: URL | undefined;
}

/** Of a kubeconfig's content. Throws `config-invalid` with what is missing; auth providers are `unsupported`. */
export function accessOf(
  value: unknown,
  path: string,
  contextName: string | undefined,
): { readonly access: ClusterAccess; readonly exec: ExecPlugin | undefined } {
  const config = record(value);
  const name = contextName ?? text(config["current-context"]);
  const contexts = entries(config.contexts, "context");
  // bootkube's kubeconfigs of kubelets have a single context and no current one.
  const context = name === "" && contexts.size === 1 ? [...contexts.values()][0] : contexts.get(name);
  if (context === undefined) throw invalid(path, name === "" ? "has no current context" : `has no context "${name}"`);
  const cluster = entries(config.clusters, "cluster").get(text(context.cluster));
  if (cluster === undefined) throw invalid(path, `has no cluster "${text(context.cluster)}"`);
  const user = entries(config.users, "user").get(text(context.user)) ?? {};
  const server = URL.parse(text(cluster.server));
  if (server === null || !/^https?:$/.test(server.protocol)) throw invalid(path, `has no server URL in its cluster`);
  if (user["auth-provider"] !== undefined) throw unsupportedCredentials(path, "auth-provider");
  const proxy = text(cluster["proxy-url"]) === "" ? undefined : URL.parse(text(cluster["proxy-url"]));
  if (proxy === null || (proxy !== undefined && proxy.protocol !== "http:")) {
    throw new MendError("unsupported", `kubeconfig "${path}" names a proxy that is none for HTTP`, {
      hint: "use a proxy-url that begins with http://, or a kubeconfig without one",
    });
  }
  const material = (owner: Record<string, unknown>, field: string) => readMaterial(path, owner, field);
  const access: ClusterAccess = {
    source: path,
    server,
    proxy,
    ca: material(cluster, "certificate-authority"),
    serverName: text(cluster["tls-server-name"]) || undefined,
    insecure: cluster["insecure-skip-tls-verify"] === true,
    certificate: material(user, "client-certificate"),
    key: material(user, "client-key"),
    token:
      text(user.token) ||
      (text(user.tokenFile) && readTextFile(beside(path, text(user.tokenFile))).trim()) ||
      undefined,
  };
  return { access, exec: user.exec === undefined ? undefined : parseExecPlugin(user.exec, path) };
}

export function unsupportedCredentials(path: string, plugin: string): MendError {
  return new MendError("unsupported", `"${path}" asks for credentials by "${plugin}"`, {
    hint: "use a kubeconfig with a client certificate or a token",
  });
}

function parseExecPlugin(value: unknown, path: string): ExecPlugin {
  const plugin = record(value);
  const command = text(plugin.command);
  if (command === "") throw invalid(path, `has an exec plugin without a command`);
  const list = (each: unknown): unknown[] => (Array.isArray(each) ? each : []);
  return {
    command,
    args: list(plugin.args).map(text),
    env: Object.fromEntries(list(plugin.env).map((each) => [text(record(each).name), text(record(each).value)])),
    apiVersion: text(plugin.apiVersion),
    installHint: text(plugin.installHint),
  };
}

/** `FIELD-data` in base64, or the file that `FIELD` names. */
function readMaterial(path: string, owner: Record<string, unknown>, field: string): string | undefined {
  const data = text(owner[`${field}-data`]);
  if (data !== "") return Buffer.from(data, "base64").toString("utf8");
  const file = text(owner[field]);
  return file === "" ? undefined : readTextFile(beside(path, file));
}

function beside(path: string, file: string): string {
  return resolve(dirname(path), file);
}

export function entries(value: unknown, field: string): Map<string, Record<string, unknown>> {
  const list = Array.isArray(value) ? value.map(record) : [];
  return new Map(list.map((entry) => [text(entry.name), record(entry[field])]));
}

export function record(value: unknown): Record<string, unknown> {
  return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
}

export function text(value: unknown): string {
  return typeof value === "string" ? value : "";
}

function invalid(path: string, what: string): MendError {
  return new MendError("config-invalid", `kubeconfig "${path}" ${what}`, { hint: "pass another kubeconfig" });
}
