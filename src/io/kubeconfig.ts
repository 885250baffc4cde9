/** Reads a kubeconfig as far as a machine's own needs it: a server, whom to trust, and a certificate or a token. */
import { dirname, resolve } from "node:path";
import { parse } from "yaml";
import { MendError } from "../errors.ts";
import { readTextFile } from "./read-file.ts";

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
}

/** Throws `config-invalid` with what is missing. Exec plugins and auth providers are `unsupported`. */
export function readKubeconfig(path: string, contextName?: string): ClusterAccess {
  const config = record(parseYaml(path));
  const name = contextName ?? text(config["current-context"]);
  const contexts = entries(config.contexts, "context");
  // bootkube's kubeconfigs of kubelets have a single context and no current one.
  const context = name === "" && contexts.size === 1 ? [...contexts.values()][0] : contexts.get(name);
  if (context === undefined) throw invalid(path, `has no context "${name}"`);
  const cluster = entries(config.clusters, "cluster").get(text(context.cluster));
  if (cluster === undefined) throw invalid(path, `has no cluster "${text(context.cluster)}"`);
  const user = entries(config.users, "user").get(text(context.user)) ?? {};
  const server = URL.parse(text(cluster.server));
  if (server === null || !/^https?:$/.test(server.protocol)) throw invalid(path, `has no server URL in its cluster`);
  const plugin = ["exec", "auth-provider"].find((field) => user[field] !== undefined);
  if (plugin !== undefined) {
    throw new MendError("unsupported", `"${path}" asks for credentials by "${plugin}"`, {
      hint: "use a kubeconfig with a client certificate or a token",
    });
  }
  const material = (owner: Record<string, unknown>, field: string) => readMaterial(path, owner, field);
  return {
    source: path,
    server,
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
}

function parseYaml(path: string): unknown {
  const content = readTextFile(path);
  try {
    return parse(content);
  } catch (cause) {
    throw new MendError("config-invalid", `"${path}" is not YAML`, { hint: "pass a kubeconfig", cause });
  }
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

function entries(value: unknown, field: string): Map<string, Record<string, unknown>> {
  const list = Array.isArray(value) ? value.map(record) : [];
  return new Map(list.map((entry) => [text(entry.name), record(entry[field])]));
}

function record(value: unknown): Record<string, unknown> {
  return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
}

function text(value: unknown): string {
  return typeof value === "string" ? value : "";
}

function invalid(path: string, what: string): MendError {
  return new MendError("config-invalid", `kubeconfig "${path}" ${what}`, { hint: "pass another kubeconfig" });
}
