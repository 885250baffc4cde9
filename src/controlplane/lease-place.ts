/**
 * Where a scheduler or controller manager keeps its lease: by its flags, or by the configuration file that it reads
 * (KubeSchedulerConfiguration's `leaderElection`,
 * https://kubernetes.io/docs/reference/config-api/kube-scheduler-config.v1/, and OpenShift's `extendedArguments` of the
 * controller manager). What cannot be known is a doubt, never a guess: whoever calls a component down because a lease
 * is not renewed must know that it is this component's lease.
 */

import { containerIndexOf, programOf } from "../kube/component.ts";
import { containerFlags } from "../kube/container-flags.ts";
import { listOf, objectOf, objectsOf, textOf, textsOf } from "../kube/fields.ts";
import type { LeaseHolderName } from "../kube/lease.ts";
import type { JsonObject, JsonValue } from "../kube/object.ts";
import { decodeYaml } from "../storage/yaml-parse.ts";

export interface LeasePlace {
  readonly namespace: string;
  readonly name: string;
  /** False where it runs without leader election, so that there is none. */
  readonly elects: boolean;
  /** Why this may not be its lease; undefined where it surely is. Then `namespace` and `name` are the best guess. */
  readonly doubt?: string | undefined;
}

/** A configuration file that names the lease. */
export interface ElectionConfig {
  /** As the component's flag has it. */
  readonly path: string;
  readonly source: ConfigSource;
}

/** Where its content is. */
export type ConfigSource =
  | { readonly kind: "ConfigMap" | "Secret"; readonly name: string; readonly key: string }
  /** A file of the node that the pod runs on. */
  | { readonly kind: "node"; readonly path: string }
  /** In the image, or in a volume of another kind. */
  | { readonly kind: "unknown" };

const CONFIG_FLAGS: Readonly<Record<LeaseHolderName, readonly string[]>> = {
  "kube-scheduler": ["config"],
  "kube-controller-manager": ["openshift-config", "config"],
};

interface Election {
  readonly namespace: string | undefined;
  readonly name: string | undefined;
  readonly elects: boolean | undefined;
}

/**
 * @param podSpec of the component's pod; undefined where nothing is known of it, and then the lease is the usual one
 * @param config the content of {@link electionConfigOf}; undefined where it could not be read, for the reason in `unread`
 */
export function leasePlaceOf(
  component: LeaseHolderName,
  podSpec?: JsonObject,
  config?: string | undefined,
  unread?: string | undefined,
): LeasePlace {
  const usual = { namespace: "kube-system", name: component, elects: true };
  const container = podSpec && objectsOf(podSpec.containers)[containerIndexOf(component, podSpec)];
  if (container === undefined) return usual;
  const flag = flagReader(container);
  const byFlags: Election = {
    namespace: flag("leader-elect-resource-namespace"),
    name: flag("leader-elect-resource-name"),
    elects: truthOf(flag("leader-elect")),
  };
  const place = (election: Election, doubt?: string): LeasePlace => ({
    namespace: election.namespace || usual.namespace,
    name: election.name || usual.name,
    elects: election.elects ?? usual.elects,
    ...(doubt !== undefined && { doubt }),
  });
  const path = configPath(component, container);
  if (path === undefined) return place(byFlags, whyUnsure(component, container, byFlags));
  if (config === undefined) {
    return place(byFlags, `its configuration file "${path}" names the lease, and ${unread ?? "was not read"}`);
  }
  const inFile = readElection(config);
  if (inFile === undefined) return place(byFlags, `its configuration file "${path}" cannot be understood`);
  const both: Election = {
    namespace: byFlags.namespace ?? inFile.namespace,
    name: byFlags.name ?? inFile.name,
    elects: byFlags.elects ?? inFile.elects,
  };
  // Which of the two counts depends on the version: before 1.22 the file, since then the flag.
  const differs = (["namespace", "name", "elects"] as const).some(
    (field) => byFlags[field] !== undefined && inFile[field] !== undefined && byFlags[field] !== inFile[field],
  );
  const unsure = whyUnsure(component, container, byFlags);
  return place(both, differs ? `its flags and its configuration file "${path}" name different leases` : unsure);
}

/** The configuration file that a component's pod reads; undefined where its flags alone count. */
export function electionConfigOf(component: LeaseHolderName, podSpec: JsonObject): ElectionConfig | undefined {
  const container = objectsOf(podSpec.containers)[containerIndexOf(component, podSpec)];
  const path = container && configPath(component, container);
  if (container === undefined || path === undefined) return undefined;
  return { path, source: sourceOf(path, container, objectsOf(podSpec.volumes)) };
}

/** What a component's log says, at its beginning, of the lease that it tries to get: `NAMESPACE/NAME`. */
export function leaseInLog(log: string): Pick<LeasePlace, "namespace" | "name"> | undefined {
  const plain = /attempting to acquire leader lease:? +([\w.-]+)\/([\w.-]+?)\.\.\./i.exec(log);
  const taken = /successfully acquired lease +([\w.-]+)\/([\w.-]+)/i.exec(log);
  // Since 1.33: `"Attempting to acquire leader lease..." lock="kube-system/kube-scheduler"`, in JSON `"lock":"..."`.
  const structured = /acquired? (?:leader )?lease[^\n]*?\block"?[=:] ?"([\w.-]+)\/([\w.-]+)"/i.exec(log);
  const [, namespace, name] = plain ?? taken ?? structured ?? [];
  return namespace === undefined || name === undefined ? undefined : { namespace, name };
}

/** Whether two are the same lease. */
export function isSamePlace(a: LeasePlace, b: Pick<LeasePlace, "namespace" | "name">): boolean {
  return a.namespace === b.namespace && a.name === b.name;
}

/** Of a flag of the component's own; a variable that the kubelet fills in from a literal value is filled in. */
function flagReader(container: JsonObject): (name: string) => string | undefined {
  const flags = containerFlags(container);
  const variables = new Map(
    objectsOf(container.env).flatMap(({ name, value }) =>
      typeof value === "string" ? [[textOf(name), value] as const] : [],
    ),
  );
  const filled = (value: string) =>
    value.replace(/\$\(([\w.-]+)\)/g, (all, name: string) => variables.get(name) ?? all);
  return (name) => {
    const value = flags.findLast((each) => each.name === name)?.value;
    return value === undefined ? undefined : filled(value);
  };
}

/** A bare `--leader-elect` is one that Go reads as true. */
function truthOf(value: string | undefined): boolean | undefined {
  return value === undefined ? undefined : !/^(?:false|f|0)$/i.test(value);
}

function configPath(component: LeaseHolderName, container: JsonObject): string | undefined {
  const flag = flagReader(container);
  return CONFIG_FLAGS[component].map(flag).find((path) => path !== undefined && path !== "");
}

function whyUnsure(component: LeaseHolderName, container: JsonObject, election: Election): string | undefined {
  const named = [election.namespace, election.name].find((value) => value?.includes("$"));
  if (named !== undefined) return `its flags name the lease by the variable "${named}"`;
  const command = textsOf(container.command);
  if (command.length > 0 && programOf(container) !== component) {
    return `its flags are not to be seen: its container runs "${command[0]}"`;
  }
  return undefined;
}

function readElection(text: string): Election | undefined {
  let config: JsonObject;
  try {
    config = objectOf(decodeYaml(text));
  } catch {
    return undefined;
  }
  if (Object.keys(config).length === 0) return undefined;
  const { leaderElection, extendedArguments } = config;
  if (extendedArguments !== undefined && leaderElection === undefined) {
    const last = (name: string) => lastText(objectOf(extendedArguments)[name]);
    return {
      namespace: last("leader-elect-resource-namespace"),
      name: last("leader-elect-resource-name"),
      elects: truthOf(last("leader-elect")),
    };
  }
  const election = objectOf(leaderElection);
  return {
    // Up to v1alpha1 the fields had other names.
    namespace: textOf(election.resourceNamespace) || textOf(election.lockObjectNamespace) || undefined,
    name: textOf(election.resourceName) || textOf(election.lockObjectName) || undefined,
    elects: switchOf(election.leaderElect),
  };
}

/** The components read YAML 1.1, where `no` and `off` are false. */
function switchOf(value: JsonValue | undefined): boolean | undefined {
  if (typeof value === "boolean") return value;
  if (typeof value !== "string") return undefined;
  return /^(?:n|no|off|false)$/i.test(value) ? false : /^(?:y|yes|on|true)$/i.test(value) ? true : undefined;
}

function lastText(value: JsonValue | undefined): string | undefined {
  const last = Array.isArray(value) ? listOf(value).at(-1) : value;
  return typeof last === "string" || typeof last === "boolean" ? String(last) : undefined;
}

/** The mount that the path lies in, the innermost one, and what of its volume that is. */
function sourceOf(path: string, container: JsonObject, volumes: readonly JsonObject[]): ConfigSource {
  const mount = objectsOf(container.volumeMounts)
    .filter(({ mountPath }) => isWithin(path, textOf(mountPath)))
    .sort((a, b) => textOf(b.mountPath).length - textOf(a.mountPath).length)[0];
  if (mount === undefined || mount.subPathExpr !== undefined) return { kind: "unknown" };
  const below = path.slice(textOf(mount.mountPath).replace(/\/$/, "").length + 1);
  const subPath = textOf(mount.subPath);
  const inVolume = [subPath, below].filter((part) => part !== "").join("/");
  const volume = volumes.find(({ name }) => name === mount.name);
  if (volume === undefined) return { kind: "unknown" };
  const { hostPath, configMap, secret, projected } = volume;
  if (hostPath !== undefined) {
    const base = textOf(objectOf(hostPath).path).replace(/\/$/, "");
    return { kind: "node", path: inVolume === "" ? base : `${base}/${inVolume}` };
  }
  const sources = [
    ...(configMap === undefined ? [] : [["ConfigMap", objectOf(configMap), "name"] as const]),
    ...(secret === undefined ? [] : [["Secret", objectOf(secret), "secretName"] as const]),
    ...objectsOf(objectOf(projected).sources).flatMap((source) => [
      ...(source.configMap === undefined ? [] : [["ConfigMap", objectOf(source.configMap), "name"] as const]),
      ...(source.secret === undefined ? [] : [["Secret", objectOf(source.secret), "name"] as const]),
    ]),
  ];
  for (const [kind, source, nameField] of sources) {
    const items = objectsOf(source.items);
    const item = items.find((each) => each.path === inVolume);
    if (items.length > 0 && item === undefined) continue;
    // Of several sources without a list of items only the content would tell which one has the file.
    if (items.length === 0 && sources.length > 1) return { kind: "unknown" };
    return { kind, name: textOf(source[nameField]), key: item === undefined ? inVolume : textOf(item.key) };
  }
  return { kind: "unknown" };
}

function isWithin(path: string, directory: string): boolean {
  const base = directory.replace(/\/$/, "");
  return base !== "" && (path === base || path.startsWith(`${base}/`));
}
