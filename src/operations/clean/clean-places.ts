/**
 * Whether the directories that `node clean` takes things out of are what they are taken for: no links, nothing mounted
 * in what is moved, none inside another one, and no directory of other things that was named by mistake.
 */

import { lstatSync, readdirSync, realpathSync } from "node:fs";
import { dirname, join } from "node:path";
import { MendError } from "../../errors/errors.ts";
import { input } from "../../errors/input.ts";
import { fromSystemError, systemCode } from "../../errors/system-error.ts";
import { isThere } from "../../io/files/move-aside.ts";
import { assertNothingMounted } from "../../io/node/unmount.ts";
import type { CleanPlaces } from "../../nodes/clean-record.ts";
import { isBelow } from "../../nodes/mount-table.ts";

/** What etcd writes into a data dir or a WAL dir. */
const ETCD_NAMES = /^member$|\.wal$|\.wal\.broken$|^\d+\.tmp$/;
/** How many of the things that are in the way are named. */
const NAMED = 3;

/** The names in a directory that are to be moved. */
export function entriesOf(directory: string, whole = true): string[] {
  let names: string[];
  try {
    names = readdirSync(directory);
  } catch (error) {
    if (systemCode(error) === "ENOENT") return [];
    throw fromSystemError(error, "read directory", directory);
  }
  return names
    .filter((name) => name !== "lost+found" && !name.endsWith(".kubemend-moved") && (whole || ETCD_NAMES.test(name)))
    .sort();
}

/** The databases of members below a directory: its own, or of those one or two levels deeper, as self-hosted etcd has them. */
export function databasesIn(directory: string, depth = 2): string[] {
  const own = join(directory, "member/snap/db");
  const found = isThere(own) ? [own] : [];
  if (depth === 0) return found;
  for (const name of entriesOf(directory)) {
    const path = join(directory, name);
    if (name !== "member" && lstatSync(path).isDirectory()) found.push(...databasesIn(path, depth - 1));
  }
  return found;
}

/**
 * Of a directory that the user has named: all of it where nothing else is in it, else what etcd writes. Throws `usage`
 * where that is nothing, as in `/var/lib`.
 */
export function namedEtcd(directory: string): CleanPlaces["etcd"][number] {
  const names = entriesOf(directory);
  const others = names.filter((name) => {
    const path = join(directory, name);
    return !ETCD_NAMES.test(name) && !(lstatSync(path).isDirectory() && databasesIn(path, 1).length > 0);
  });
  if (others.length === 0) return { directory, whole: true };
  if (names.some((name) => ETCD_NAMES.test(name))) return { directory, whole: false };
  const shown = others.slice(0, NAMED).map((name) => `"${name}"`);
  const more = others.length > NAMED ? `, and ${others.length - NAMED} more` : "";
  throw new MendError("usage", `"${directory}" holds what is not etcd's: ${shown.join(", ")}${more}`, {
    where: directory,
    hint: `give the data dir itself, which has the directory member, as ${input("etcdDataDir")}`,
  });
}

/** What is looked at before anything is done. */
export interface PlacesToCheck {
  readonly places: CleanPlaces;
  readonly logs: string;
  /** What must stay where it is: what was moved goes there, and the kubelet's own directory of manifests. */
  readonly staying: readonly string[];
}

/** Throws what is in the way. */
export function checkPlaces({ places, logs, staying }: PlacesToCheck): void {
  const etcd = places.etcd.map(({ directory }) => directory);
  checkNoLink(places.manifests, (real) => `pass ${input("podManifestPath")} ${real}`);
  checkNoLink(places.pods, (real) => `pass ${input("kubeletDir")} ${dirname(real)}`);
  checkNoLink(logs, (real) => `pass ${input("logDir")} ${real}`);
  for (const directory of etcd) checkNoLink(directory, (real) => `pass ${input("etcdDataDir")} ${real}`);

  // Of pods nothing is in the way: their volumes may hold an etcd, and are unmounted.
  checkOutside(places.pods, true, staying);
  const others = [...staying, places.manifests, places.pods, logs, ...etcd];
  for (const { directory, whole } of [{ directory: places.manifests, whole: true }, ...places.etcd]) {
    checkOutside(directory, whole, others);
    for (const name of entriesOf(directory, whole)) assertNothingMounted(join(directory, name), true);
  }
}

/** That nothing which is moved out of a directory holds another of the directories. */
function checkOutside(directory: string, whole: boolean, others: readonly string[]): void {
  for (const name of entriesOf(directory, whole)) {
    const path = join(directory, name);
    const inside = others.find((other) => other === path || isBelow(other, path));
    if (inside === undefined) continue;
    throw new MendError("usage", `"${path}" would be moved, and "${inside}" with it`, {
      where: directory,
      hint: `give the right directory instead of "${directory}"`,
    });
  }
}

/** A link would lead everything that is done in a directory to another place. `hint` says where it leads. */
export function checkNoLink(path: string, hint: (real: string) => string): void {
  let real: string;
  try {
    real = realpathSync(path);
  } catch (error) {
    if (systemCode(error) === "ENOENT") return;
    throw fromSystemError(error, "look at", path);
  }
  if (real === path) return;
  throw new MendError("usage", `"${path}" leads to "${real}" by a symbolic link, which is not followed`, {
    where: path,
    hint: `if that is the place, ${hint(real)}`,
  });
}
