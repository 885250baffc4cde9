/** Which objects a command line means: by type and name, namespace and labels. */
import { MendError } from "../../errors/errors.ts";
import { type LabelSelector, matchesLabels } from "../../kube/label-selector.ts";
import type { KubeObject } from "../../kube/object.ts";
import type { CustomResource } from "../../storage/custom-resource.ts";
import { splitRest } from "../../storage/object-key.ts";
import { isInScope, type ObjectScope } from "../../storage/object-scope.ts";
import { type ObjectRequest, resolveResources, resourceName } from "../../storage/resource-argument.ts";

export interface SelectionRequest {
  /** None for objects of every kind. */
  readonly requests: readonly ObjectRequest[];
  /** Undefined for all namespaces. */
  readonly namespace: string | undefined;
  readonly selector: LabelSelector;
}

export interface ObjectSelection {
  /** What is meant by paths, names and namespaces, as plain data. */
  readonly scope: ObjectScope;
  /** Whether every object is meant, as far as names and namespaces go. */
  readonly takesAll: boolean;
  /** Whether any object below this path may be meant. */
  takesPath(path: string): boolean;
  /** `rest`: `NAMESPACE/NAME` or `NAME`, as keys have it. */
  takes(path: string, rest: string): boolean;
  takesLabels(object: KubeObject): boolean;
  /** Named objects, `TYPE/NAME`, of which nothing was taken so far. */
  missing(): readonly string[];
  /** Whether the object was asked for by its name. */
  isNamed(path: string, rest: string): boolean;
}

/** Throws `kind-unknown` for a word that is no resource. */
export function createSelection(
  { requests, namespace, selector }: SelectionRequest,
  custom: readonly CustomResource[],
): ObjectSelection {
  const wanted = requests.flatMap(({ resources, names }) =>
    resolveResources(resources, custom).map((resource) => ({ resource, names, found: new Set<string>() })),
  );
  const scope: ObjectScope = {
    resources: wanted.map(({ resource, names }) => ({ path: resource.path, names })),
    namespace,
  };
  const match = (path: string, rest: string) => {
    const { name } = splitRest(path, rest);
    return wanted.filter(
      (each) => each.resource.path === path && (each.names.length === 0 || each.names.includes(name)),
    );
  };
  return {
    scope,
    takesAll: wanted.length === 0 && namespace === undefined,
    takesPath: (path) => wanted.length === 0 || wanted.some(({ resource }) => resource.path === path),
    takes(path, rest) {
      if (!isInScope(scope, path, rest)) return false;
      const { name } = splitRest(path, rest);
      for (const each of match(path, rest)) each.found.add(name);
      return true;
    },
    takesLabels: ({ metadata }) => {
      const labels: unknown = metadata?.labels; // what was stored as JSON may have anything here
      return matchesLabels(selector, typeof labels === "object" && labels !== null ? { ...labels } : {});
    },
    missing: () =>
      wanted.flatMap(({ resource, names, found }) =>
        names.filter((name) => !found.has(name)).map((name) => `${resourceName(resource)}/${name}`),
      ),
    isNamed: (path, rest) => isInScope(scope, path, rest) && match(path, rest).some(({ names }) => names.length > 0),
  };
}

/** Throws `object-not-found` where an object that was named is not there. */
export function refuseMissing(selection: ObjectSelection, where: string, hint?: string): void {
  const missing = selection.missing();
  if (missing.length === 0) return;
  throw new MendError("object-not-found", `${missing.map((each) => `"${each}"`).join(", ")} not found`, {
    where,
    hint: hint ?? "check the name and the namespace (-n), or an earlier revision",
  });
}
