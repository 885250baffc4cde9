/** Reads every object back that was written, and compares it with what was sent. */

import { compareObjects } from "../../compare/compare-objects.ts";
import type { FieldChange } from "../../compare/compare-values.ts";
import { UNKNOWN_CUSTOM } from "../../compare/schema-types.ts";
import type { ValueType } from "../../compare/value-type.ts";
import { defined } from "../../errors/defined.ts";
import { idKey } from "../../objects/object-id.ts";
import { IN_PLACE, rewriteObject } from "../../objects/rewrite.ts";
import type { LiveCluster } from "./live-cluster.ts";
import { typeOf } from "./object-types.ts";
import type { ItemResult } from "./run-restore.ts";

export interface Verified {
  readonly result: ItemResult;
  /** `gone`: somebody, such as a controller or a reclaim policy, has deleted it since. */
  readonly state: "as sent" | "changed" | "gone";
  /** What the API server, admission or a controller made of it. */
  readonly fields: readonly FieldChange[];
}

export async function verifyRestore(
  results: readonly ItemResult[],
  cluster: LiveCluster,
  types: ReadonlyMap<string, ValueType>,
): Promise<Verified[]> {
  const written = results.filter(({ state }) => state === "created" || state === "updated");
  const versions = new Map(written.map(({ item }) => [idKey(item.id), defined(item.object).apiVersion]));
  const live = await cluster.getAll(
    written.map(({ item }) => item.id),
    (id) => versions.get(idKey(id)),
  );
  return written.map((result): Verified => {
    const { id, object: sent } = result.item;
    const found = live.get(idKey(id));
    if (found === undefined || found.metadata.uid !== result.object?.metadata.uid) {
      return { result, state: "gone", fields: [] };
    }
    const options = { placement: IN_PLACE, isGiven: () => false, keepsStatus: false };
    const type = typeOf(found, types) ?? UNKNOWN_CUSTOM;
    const { fields } = compareObjects(
      rewriteObject(defined(sent), id, options),
      rewriteObject(found, id, options),
      type,
    );
    return { result, state: fields.length === 0 ? "as sent" : "changed", fields };
  });
}
