/** Rows of a table by their numbers, for a list that is scrolled to any place without reading what is before it. */
import type { JsonObject } from "../../kube/object.ts";
import type { ServedResource } from "../catalog.ts";
import { placeOf } from "../selection.ts";
import { tableForm, tableRow } from "../table.ts";
import { splitKey, viewRow } from "../view.ts";
import type { World } from "../world.ts";
import { resourceId } from "./changes.ts";

export function tableRows(
  world: World,
  resource: ServedResource,
  namespace: string | undefined,
  { offset, count, filter }: { readonly offset: number; readonly count: number; readonly filter: string },
): JsonObject {
  const { history, revision, showSecrets, now } = world;
  const form = tableForm(resource, "v1", "None", now);
  const all = world.liveKeys(placeOf({ resource, namespace }), revision);
  const wanted = filter.toLowerCase();
  const keys =
    wanted === ""
      ? all
      : all.filter((key) => history.key(key).slice(resource.place.length).toLowerCase().includes(wanted));
  const rows = Array.from(keys.subarray(offset, offset + count), (key): JsonObject => {
    const viewed = viewRow(history, history.rowAt(key, revision), resource, showSecrets);
    const parts = splitKey(history.key(key), resource);
    const { cells } = tableRow(form, viewed);
    return { namespace: parts.namespace ?? null, name: parts.name, cells, state: viewed.state };
  });
  return { ...resourceId(resource), columns: form.definitions, total: keys.length, offset, rows };
}
