/** What `snapshot get` takes: kubectl's flags, and those of a backup. */
import { commaList, toggle, type ValuesOf, words } from "./flag.ts";
import { resultFlags } from "./output-flags.ts";
import { AT_REVISION_FLAG, ENCRYPTION_FLAG, ETCD_PREFIX_FLAG } from "./snapshot-flags.ts";

/** Which objects, and how they are shown. */
export const GET_FLAGS = {
  ...resultFlags(["text", "wide", "name", "yaml", "json", "jsonl"]),
  namespace: words("-n, --namespace <namespace>", "the namespace to look in", { default: "default" }),
  allNamespaces: toggle("-A, --all-namespaces", "look in all namespaces"),
  selector: words("-l, --selector <selector>", "only objects with these labels, such as app=web or 'tier in (a,b)'", {
    default: "",
  }),
  labelColumns: commaList("-L, --label-columns <labels>", "a column for each of these labels"),
  showLabels: toggle("--show-labels", "a last column with all labels"),
  headers: toggle("--no-headers", "rows only"),
  atRevision: AT_REVISION_FLAG,
  encryptionConfig: ENCRYPTION_FLAG,
  etcdPrefix: ETCD_PREFIX_FLAG,
  showSecrets: toggle("--show-secrets", "print the data of secrets (with -o yaml, json and jsonl)"),
  showManagedFields: toggle("--show-managed-fields", "print metadata.managedFields"),
};

export type GetFlags = ValuesOf<typeof GET_FLAGS>;
