/**
 * Kubeconfigs as client-go reads them (`tools/clientcmd`): the fields that it knows, each of its type, and several
 * files merged into one. Values of a file never get into a message: what stands where a name should be may be a token
 * whose line slipped.
 */
import { dirname, resolve } from "node:path";
import { MendError } from "../../errors/errors.ts";

/** A map of a kubeconfig, such as one user; its file says where relative paths start from. */
export interface KubeconfigEntry {
  readonly file: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

export interface Kubeconfig {
  /** For messages: the files. */
  readonly source: string;
  readonly clusters: ReadonlyMap<string, KubeconfigEntry>;
  readonly users: ReadonlyMap<string, KubeconfigEntry>;
  readonly contexts: ReadonlyMap<string, KubeconfigEntry>;
  /** Empty where none is set. */
  readonly currentContext: string;
}

type FieldType = "text" | "boolean" | "texts" | "lists of texts" | "map" | "any";

/** `k8s.io/client-go/tools/clientcmd/api/v1/types.go`. Fields that are not here are unknown to kubectl as well, which passes over them. */
const FIELDS: Readonly<Record<"cluster" | "user" | "context", Readonly<Record<string, FieldType>>>> = {
  cluster: {
    server: "text",
    "tls-server-name": "text",
    "insecure-skip-tls-verify": "boolean",
    "certificate-authority": "text",
    "certificate-authority-data": "text",
    "proxy-url": "text",
    "disable-compression": "boolean", // answers are never asked for compressed
    extensions: "any",
  },
  user: {
    "client-certificate": "text",
    "client-certificate-data": "text",
    "client-key": "text",
    "client-key-data": "text",
    token: "text",
    tokenFile: "text",
    as: "text",
    "as-uid": "text",
    "as-groups": "texts",
    "as-user-extra": "lists of texts",
    username: "text",
    password: "text",
    "auth-provider": "map",
    exec: "map",
    extensions: "any",
  },
  context: { cluster: "text", user: "text", namespace: "text", extensions: "any" },
};

/** Of a file's content, once it is read as YAML or JSON. Throws `config-invalid` naming the field. */
export function parseKubeconfig(value: unknown, file: string): Kubeconfig {
  const config = value ?? {};
  if (!isMap(config)) throw invalidKubeconfig(file, "is no kubeconfig: it holds no fields");
  const current = config["current-context"] ?? "";
  if (typeof current !== "string") throw invalidKubeconfig(file, 'has a "current-context" that is not text');
  return {
    source: file,
    clusters: entries(config, "clusters", "cluster", file),
    users: entries(config, "users", "user", file),
    contexts: entries(config, "contexts", "context", file),
    currentContext: current.trim(),
  };
}

/**
 * Several files as one, as `$KUBECONFIG` names them: the first file that has a cluster, user or context of a name gives
 * it, whole; the first that sets a current context sets it
 * (https://kubernetes.io/docs/concepts/configuration/organize-cluster-access-kubeconfig/).
 */
export function mergeKubeconfigs(configs: readonly Kubeconfig[]): Kubeconfig {
  const merged = (pick: (config: Kubeconfig) => ReadonlyMap<string, KubeconfigEntry>) =>
    new Map(configs.toReversed().flatMap((config) => [...pick(config)]));
  return {
    source: configs.map(({ source }) => source).join(", "),
    clusters: merged(({ clusters }) => clusters),
    users: merged(({ users }) => users),
    contexts: merged(({ contexts }) => contexts),
    currentContext: configs.find(({ currentContext }) => currentContext !== "")?.currentContext ?? "",
  };
}

/** Fields that name files. */
const PATHS: ReadonlySet<string> = new Set(["certificate-authority", "client-certificate", "client-key", "tokenFile"]);

/** A file with the one context, its cluster and its user, as they stand in the merged ones; its paths are absolute. It may hold secrets. */
export function oneContext(config: Kubeconfig, context: KubeconfigEntry): Record<string, unknown> {
  const [cluster, user] = [textField(context, "cluster"), textField(context, "user")];
  const own = (entry: KubeconfigEntry) =>
    Object.fromEntries(
      Object.entries(entry.fields).map(([name, value]) => [
        name,
        PATHS.has(name) && typeof value === "string" && value !== "" ? besideFile(entry, value) : value,
      ]),
    );
  const named = (name: string, field: string, entry: KubeconfigEntry | undefined) =>
    entry === undefined ? [] : [{ name, [field]: own(entry) }];
  return {
    apiVersion: "v1",
    kind: "Config",
    clusters: named(cluster, "cluster", config.clusters.get(cluster)),
    users: named(user, "user", config.users.get(user)),
    contexts: [{ name: "default", context: context.fields }],
    "current-context": "default",
  };
}

/** The context that counts. Throws `config-invalid` where there is none of that name. */
export function chooseContext(config: Kubeconfig, wanted: string | undefined): KubeconfigEntry {
  const name = wanted ?? config.currentContext;
  // bootkube's kubeconfigs of kubelets have a single context and no current one.
  const context =
    name === "" && config.contexts.size === 1 ? [...config.contexts.values()][0] : config.contexts.get(name);
  if (context !== undefined) return context;
  if (name === "") throw invalidKubeconfig(config.source, "has no current context");
  throw invalidKubeconfig(
    config.source,
    wanted === undefined ? 'has no context of the name that its "current-context" gives' : `has no context "${wanted}"`,
  );
}

export function invalidKubeconfig(source: string, what: string): MendError {
  const hint = "pass another kubeconfig, or correct it: kubectl config view shows how kubectl reads it";
  return new MendError("config-invalid", `kubeconfig "${source}" ${what}`, { where: source, hint });
}

export function textField(entry: KubeconfigEntry, field: string): string {
  const value = entry.fields[field];
  return typeof value === "string" ? value : "";
}

/** A path from the file's own directory. */
export function besideFile({ file }: KubeconfigEntry, path: string): string {
  return resolve(dirname(file), path);
}

function entries(
  config: Readonly<Record<string, unknown>>,
  list: string,
  field: keyof typeof FIELDS,
  file: string,
): Map<string, KubeconfigEntry> {
  const value = config[list] ?? [];
  if (!Array.isArray(value)) throw invalidKubeconfig(file, `has "${list}" that are no list`);
  const found = new Map<string, KubeconfigEntry>();
  for (const [i, each] of value.entries()) {
    const place = `${list}[${i}]`;
    if (!isMap(each) || typeof (each.name ?? "") !== "string") throw invalidKubeconfig(file, `has no name at ${place}`);
    const name = (each.name ?? "") as string;
    if (found.has(name)) throw invalidKubeconfig(file, `gives ${place} the name of an earlier ${field}`);
    const fields = each[field] ?? {};
    if (!isMap(fields)) throw invalidKubeconfig(file, `has no fields at ${place}.${field}`);
    for (const [known, type] of Object.entries(FIELDS[field])) {
      const fault = faultOf(fields[known], type);
      if (fault !== undefined) throw invalidKubeconfig(file, `has a "${known}" at ${place}.${field} that ${fault}`);
    }
    found.set(name, { file, fields });
  }
  return found;
}

function faultOf(value: unknown, type: FieldType): string | undefined {
  if (value === undefined || value === null || type === "any") return undefined;
  const isTexts = (list: unknown) => Array.isArray(list) && list.every((each) => typeof each === "string");
  switch (type) {
    case "text":
      return typeof value === "string" ? undefined : "is not text";
    case "boolean":
      return typeof value === "boolean" ? undefined : "is neither true nor false";
    case "texts":
      return isTexts(value) ? undefined : "is not a list of texts";
    case "lists of texts":
      return isMap(value) && Object.values(value).every(isTexts) ? undefined : "does not map names to lists of texts";
    case "map":
      return isMap(value) ? undefined : "has no fields";
  }
}

function isMap(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
