/** Changes to chosen objects of a snapshot, as flags of `snapshot edit` and `snapshot restore`. */
import type { SurgeryRequest } from "../../operations/snapshot/surgery-request.ts";
import { several, toggle, type ValuesOf, words } from "./flag.ts";
import { SELECTOR_FLAG } from "./object-options.ts";
import { ENCRYPTION_FLAG } from "./snapshot-flags.ts";

export const SURGERY_FLAGS = {
  remove: several("--remove <objects...>", "remove these objects, TYPE/NAME or TYPE"),
  set: several("--set <files...>", "put the objects of these YAML files in, as the API server stores them"),
  from: several("--from <snapshot-and-objects...>", "take objects from another snapshot: OTHER.db TYPE/NAME..."),
  namespace: words("-n, --namespace <namespace>", 'the namespace of these objects (default: "default")'),
  allNamespaces: toggle("-A, --all-namespaces", "these objects of all namespaces"),
  selector: SELECTOR_FLAG,
  encryptionConfig: ENCRYPTION_FLAG,
};

export function surgeryOf(flags: ValuesOf<typeof SURGERY_FLAGS>): SurgeryRequest {
  const { remove, set, from, namespace, allNamespaces, selector } = flags;
  return {
    remove,
    set,
    from,
    namespace: allNamespaces ? undefined : (namespace ?? "default"),
    selector: selector ?? "",
  };
}
