/** The user that etcd runs as on this machine, by its static pod's manifest or its systemd unit: whom a data dir has to belong to. */

import { readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { defined } from "../../errors/defined.ts";
import { objectOf, objectsOf } from "../../kube/fields.ts";
import type { JsonObject } from "../../kube/object.ts";
import { readYaml } from "../../kube/read-yaml.ts";
import { STATIC_POD_DIRECTORY } from "./data-dir-users.ts";

export interface EtcdUser {
  /** For chown: `etcd:etcd`, `1000`. */
  readonly owner: string;
  /** Where that is said: a path. */
  readonly source: string;
}

/** In the order in which systemd looks for a unit: the first that is there counts, with all drop-ins. */
const UNIT_DIRECTORIES = [
  "/etc/systemd/system",
  "/run/systemd/system",
  "/usr/lib/systemd/system",
  "/lib/systemd/system",
];
const UNIT = "etcd.service";
const ROOT = /^(?:root|0)$/;

/** Where packages and kubeadm have etcd's data. */
const USUAL_PLACE = "/var/lib/etcd";

/** Of the etcd that uses `dataDir`. Undefined where that runs as root, or nothing shows it. Never throws. */
export function findEtcdUser(
  dataDir: string,
  manifests = STATIC_POD_DIRECTORY,
  units: readonly string[] = UNIT_DIRECTORIES,
): EtcdUser | undefined {
  const path = resolve(dataDir);
  const found = fromManifests(manifests) ?? fromUnit(units);
  const isIts = found !== undefined && (`${path}/`.startsWith(`${USUAL_PLACE}/`) || text(found.source).includes(path));
  return isIts ? found : undefined;
}

function fromManifests(directory: string): EtcdUser | undefined {
  for (const name of list(directory).filter((each) => /\.(ya?ml|json)$/.test(each) && !each.startsWith("."))) {
    const source = join(directory, name);
    const { spec } = objectOf(parse(text(source)));
    const container = objectsOf(objectOf(spec).containers).find((each) => each.name === "etcd");
    if (container === undefined) continue;
    const given = { ...objectOf(objectOf(spec).securityContext), ...objectOf(container.securityContext) };
    const { runAsUser: user, runAsGroup: group } = given;
    if (typeof user !== "number" || user === 0) return undefined;
    return { owner: typeof group === "number" ? `${user}:${group}` : String(user), source };
  }
  return undefined;
}

function fromUnit(directories: readonly string[]): EtcdUser | undefined {
  const unit = directories.map((directory) => join(directory, UNIT)).find((path) => text(path) !== "");
  if (unit === undefined) return undefined;
  const dropIns = directories.flatMap((directory) =>
    list(join(directory, `${UNIT}.d`))
      .filter((name) => name.endsWith(".conf"))
      .map((name) => ({ name, path: join(directory, `${UNIT}.d`, name) })),
  );
  const files = [unit, ...dropIns.sort((a, b) => (a.name < b.name ? -1 : 1)).map(({ path }) => path)];
  const values = new Map<string, { readonly value: string; readonly source: string }>();
  for (const source of files) {
    for (const [, key, value] of text(source).matchAll(/^[ \t]*(User|Group)[ \t]*=[ \t]*(.*?)[ \t]*$/gm)) {
      values.set(defined(key), { value: defined(value), source });
    }
  }
  const user = values.get("User");
  // systemd's own names (specifiers, dynamic users) are not resolved here.
  if (user === undefined || ROOT.test(user.value) || !/^[\w.-]+$/.test(user.value)) return undefined;
  const group = values.get("Group")?.value ?? "";
  return { owner: /^[\w.-]+$/.test(group) ? `${user.value}:${group}` : user.value, source: user.source };
}

function parse(manifest: string): JsonObject {
  try {
    return objectOf(readYaml(manifest) as JsonObject);
  } catch {
    return {};
  }
}

function list(path: string): string[] {
  try {
    return readdirSync(path).sort();
  } catch {
    return []; // not there, or not ours to see
  }
}

function text(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
