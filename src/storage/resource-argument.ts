/**
 * What a user calls a kind of objects: plural, singular or short name, with or without group and version (`deploy`, `deployments.apps`,
 * `deployments.v1.apps`), resolved to a place in etcd. Source: kubectl's RESTMapper and category expander.
 */
import { defined } from "../errors/defined.ts";
import { MendError } from "../errors/errors.ts";
import type { CustomResource, PrinterColumn } from "./custom-resource.ts";
import { RESOURCE_TYPES, type ResourceType } from "./object-key.ts";
import { RESOURCES } from "./resources.ts";

/** A resource that objects are asked of. */
export interface NamedResource {
  readonly plural: string;
  readonly singular: string;
  readonly kind: string;
  /** The group asked for, or today's. */
  readonly group: string;
  /** Undefined where nothing says: custom resources without a definition. */
  readonly namespaced: boolean | undefined;
  /** Below the etcd prefix. */
  readonly path: string;
  /** The version asked for. Objects are shown as they are stored all the same. */
  readonly version: string | undefined;
  /** A custom resource's columns; undefined for built-in kinds. */
  readonly printerColumns: readonly PrinterColumn[] | undefined;
}

/** `plural` or `plural.group`, as in messages. */
export function resourceName({ plural, group }: Pick<NamedResource, "plural" | "group">): string {
  return group === "" ? plural : `${plural}.${group}`;
}

/** What `kubectl get all` lists, in its order; custom resources of the category "all" follow. */
const ALL = [
  "pods",
  "replicationcontrollers",
  "services",
  "daemonsets",
  "deployments",
  "replicasets",
  "statefulsets",
  "horizontalpodautoscalers",
  "cronjobs",
  "jobs",
];

/** Some objects of some resources, as the words of a command line name them. */
export interface ObjectRequest {
  /** Such as `pods`, `po,svc` or `all`. */
  readonly resources: string;
  /** None for all. */
  readonly names: readonly string[];
}

/** Reads `TYPE`, `TYPE NAME...`, `TYPE,TYPE` or `TYPE/NAME...`. Throws `usage` for a mixture of them. */
export function readObjectRequests(words: readonly string[]): readonly ObjectRequest[] {
  const [resources = "", ...names] = words;
  if (!words.some((word) => word.includes("/"))) return [{ resources, names }];
  const requests: { resources: string; names: string[] }[] = [];
  for (const word of words) {
    const [resource = "", name = "", ...more] = word.split("/");
    if (resource === "" || name === "" || more.length > 0) {
      throw new MendError("usage", `"${word}" is not TYPE/NAME`, {
        hint: "write either TYPE NAME... or TYPE/NAME..., not both",
      });
    }
    const last = requests.at(-1);
    if (last?.resources === resource) last.names.push(name);
    else requests.push({ resources: resource, names: [name] });
  }
  return requests;
}

interface Wanted {
  readonly name: string;
  readonly group: string | undefined;
  readonly version: string | undefined;
}

/** The readings of `a.b.c`: a version in the second place is tried before a group that looks like one. */
function readings(argument: string): readonly Wanted[] {
  const word = argument.toLowerCase();
  const [name = "", ...rest] = word.split(".");
  if (rest.length === 0) return [{ name, group: undefined, version: undefined }];
  const asGroup = { name, group: rest.join("."), version: undefined };
  const [version = "", ...group] = rest;
  if (!/^v\d+((alpha|beta)\d+)?$/.test(version)) return [asGroup];
  return [{ name, group: group.join("."), version }, asGroup];
}

/**
 * The built-in resource of that name, or undefined. One that only ever was alpha or beta yields to a custom resource of the same name
 * (`mayBeCustom`), because it is likely not what a cluster means by it.
 */
function findBuiltIn(wanted: Wanted): { readonly type: ResourceType; readonly group: string } | undefined {
  for (const type of RESOURCE_TYPES) {
    if (!namesOf(type).includes(wanted.name)) continue;
    const group = wanted.group === undefined ? type.groups[0] : matchGroup(type.groups, wanted.group);
    if (group === undefined) continue;
    if (wanted.version !== undefined && !hasVersion(type, wanted.version)) continue;
    return { type, group };
  }
  return undefined;
}

const namesOf = ({ plural, kind, shortNames }: ResourceType) => [plural, kind.toLowerCase(), ...shortNames];

/** A group may be cut short, as for kubectl: `widgets.example` finds `widgets.example.com`. */
function matchGroup(groups: readonly string[], wanted: string): string | undefined {
  return groups.find((group) => group === wanted) ?? groups.find((group) => wanted !== "" && group.startsWith(wanted));
}

function hasVersion({ path }: ResourceType, version: string): boolean {
  return RESOURCES.some((each) => each.etcdSegment === path && each.version === version);
}

const STABLE = new Set(RESOURCES.filter((each) => /^v\d+$/.test(each.version)).map((each) => each.etcdSegment));

/** Whether the definitions of custom resources must be read before this argument (which may be a list) can be resolved. */
export function needsDefinitions(argument: string): boolean {
  return argument.split(",").some((part) => {
    if (part === "all") return true;
    const found = readings(part).map(findBuiltIn).find(Boolean);
    return found === undefined || !STABLE.has(found.type.path);
  });
}

/**
 * The resources that an argument such as `pods`, `po,svc`, `deployments.apps` or `all` names. `PLURAL.GROUP` of a group
 * that is not known is taken for a custom resource whose definition is gone (`namespaced` undefined): whether there are
 * any objects of it is for the caller to see. Throws `kind-unknown`, with what was likely meant.
 */
export function resolveResources(argument: string, custom: readonly CustomResource[]): readonly NamedResource[] {
  const found = argument
    .split(",")
    .filter((part) => part !== "")
    .flatMap((part) => resolveOne(part, custom));
  return found.filter((each, i) => found.findIndex((other) => other.path === each.path) === i);
}

function resolveOne(argument: string, custom: readonly CustomResource[]): readonly NamedResource[] {
  const inCategory = custom.filter((each) => each.categories.includes(argument)).map((each) => ofCustom(each));
  if (argument === "all") return [...ALL.map((name) => builtInNamed(name)), ...inCategory];
  for (const wanted of readings(argument)) {
    const builtIn = findBuiltIn(wanted);
    if (builtIn !== undefined && STABLE.has(builtIn.type.path)) return [ofBuiltIn(builtIn, wanted.version)];
    const found = findCustom(wanted, custom);
    if (found !== undefined) return [ofCustom(found, wanted.version)];
    if (builtIn !== undefined) return [ofBuiltIn(builtIn, wanted.version)];
  }
  if (inCategory.length > 0) return inCategory;
  const [wanted] = readings(argument).slice(-1);
  if (wanted?.group !== undefined && GROUP.test(wanted.group) && !isKnownGroup(wanted.group, custom)) {
    return [ofPath(wanted.name, wanted.group, `${wanted.group}/${wanted.name}`)];
  }
  throw unknownResource(argument, custom);
}

/** A group that only a custom resource can be in: with a dot. */
const GROUP = /^[a-z0-9][-a-z0-9]*(\.[a-z0-9][-a-z0-9]*)+$/;

function isKnownGroup(group: string, custom: readonly CustomResource[]): boolean {
  return RESOURCE_TYPES.some((type) => type.groups.includes(group)) || custom.some((each) => each.group === group);
}

function findCustom(wanted: Wanted, custom: readonly CustomResource[]): CustomResource | undefined {
  const named = custom.filter(
    ({ plural, singular, kind, shortNames, versions }) =>
      [plural, singular, kind.toLowerCase(), ...shortNames].includes(wanted.name) &&
      (wanted.version === undefined || versions.includes(wanted.version)),
  );
  if (wanted.group === undefined) {
    // A plural or singular name wins over a short one, then the groups' order.
    return named.find((each) => !each.shortNames.includes(wanted.name)) ?? named[0];
  }
  const group = matchGroup(
    named.map((each) => each.group),
    wanted.group,
  );
  return named.find((each) => each.group === group);
}

function builtInNamed(plural: string): NamedResource {
  return ofBuiltIn(defined(findBuiltIn({ name: plural, group: undefined, version: undefined })), undefined);
}

function ofBuiltIn(
  { type, group }: { readonly type: ResourceType; readonly group: string },
  version: string | undefined,
): NamedResource {
  const { plural, kind, namespaced, path } = type;
  return { plural, singular: kind.toLowerCase(), kind, group, namespaced, path, version, printerColumns: undefined };
}

function ofCustom(resource: CustomResource, version?: string): NamedResource {
  const { plural, singular, kind, group, namespaced, printerColumns } = resource;
  return { plural, singular, kind, group, namespaced, path: `${group}/${plural}`, version, printerColumns };
}

function ofPath(plural: string, group: string, path: string): NamedResource {
  return {
    plural,
    singular: plural,
    kind: "",
    group,
    namespaced: undefined,
    path,
    version: undefined,
    printerColumns: [],
  };
}

/** The error for a word that names no resource, with what was likely meant. */
export function unknownResource(argument: string, custom: readonly CustomResource[]): MendError {
  const names = [
    ...RESOURCE_TYPES.flatMap(namesOf),
    ...custom.flatMap((each) => [each.plural, each.singular, ...each.shortNames, `${each.plural}.${each.group}`]),
  ];
  const likely = closest(argument.toLowerCase(), names);
  return new MendError("kind-unknown", `the snapshot doesn't have a resource type "${argument}"`, {
    hint:
      likely === undefined
        ? "see which kinds it holds with: kubemend snapshot stats FILE"
        : `did you mean "${likely}"?`,
  });
}

function closest(word: string, names: readonly string[]): string | undefined {
  let best: string | undefined;
  let least = Math.min(3, Math.ceil(word.length / 3)) + 1;
  for (const name of names) {
    if (Math.abs(name.length - word.length) >= least) continue;
    const distance = editDistance(word, name);
    if (distance >= least) continue;
    best = name;
    least = distance;
  }
  return best;
}

function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      next.push(
        Math.min(defined(row[j]) + 1, defined(next[j - 1]) + 1, defined(row[j - 1]) + (a[i - 1] === b[j - 1] ? 0 : 1)),
      );
    }
    row = next;
  }
  return defined(row[b.length]);
}
