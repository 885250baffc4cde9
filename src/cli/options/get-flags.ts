/** What `snapshot get` and `describe` take: kubectl's flags, and those of a backup. */
import { completedBy } from "./completer.ts";
import { commaList, oneOf, toggle, type ValuesOf, words } from "./flag.ts";
import { GET_OUTPUT_FLAG } from "./get-output.ts";
import { snapshotNamespaces } from "./live-values.ts";
import { CACHE_FLAG, PROGRESS_FLAG, QUIET_FLAG } from "./output-flags.ts";
import { AT_REVISION_FLAG, ENCRYPTION_FLAG, ETCD_PREFIX_FLAG, IDENTITY_FLAG } from "./snapshot-flags.ts";

/** Which objects of which moment. */
const SELECT_FLAGS = {
  namespace: completedBy(
    words("-n, --namespace <namespace>", "the namespace to look in", { default: "default" }),
    snapshotNamespaces,
  ),
  allNamespaces: toggle("-A, --all-namespaces", "look in all namespaces"),
  selector: words("-l, --selector <selector>", "only objects with these labels, such as app=web or 'tier in (a,b)'", {
    default: "",
  }),
  atRevision: AT_REVISION_FLAG,
  encryptionConfig: ENCRYPTION_FLAG,
  etcdPrefix: ETCD_PREFIX_FLAG,
  identity: IDENTITY_FLAG,
  showSecrets: toggle("--show-secrets", "print the data of secrets"),
  cache: CACHE_FLAG,
  progress: PROGRESS_FLAG,
  quiet: QUIET_FLAG,
};

/** Which objects, and how they are shown. */
export const GET_FLAGS = {
  output: GET_OUTPUT_FLAG,
  template: words("--template <template>", "the template of -o jsonpath or go-template", { default: "" }),
  allowMissingTemplateKeys: oneOf(
    "--allow-missing-template-keys [allowed]",
    ["true", "false"],
    "false: a field of a jsonpath or go-template that is not there is an error",
    { default: "true", preset: "true" },
  ),
  ...SELECT_FLAGS,
  fieldSelector: words(
    "--field-selector <selector>",
    "only objects with these fields, such as spec.nodeName=worker-1 or status.phase!=Running",
    { default: "" },
  ),
  sortBy: words("--sort-by <path>", "in the order of a field, such as .metadata.creationTimestamp"),
  ignoreNotFound: toggle("--ignore-not-found", "no error for a name that is not there"),
  labelColumns: commaList("-L, --label-columns <labels>", "a column for each of these labels"),
  showLabels: toggle("--show-labels", "a last column with all labels"),
  showKind: toggle("--show-kind", "names with their kinds, also where there is one kind only"),
  headers: toggle("--no-headers", "rows only"),
  showManagedFields: toggle("--show-managed-fields", "print metadata.managedFields"),
};

export type GetFlags = ValuesOf<typeof GET_FLAGS>;

export const DESCRIBE_FLAGS = {
  ...SELECT_FLAGS,
  showEvents: toggle("--show-events", "with the events of each, also for several objects"),
};

export type DescribeFlags = ValuesOf<typeof DESCRIBE_FLAGS>;
