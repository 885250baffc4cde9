/** How commands on objects are given which ones, and what they need to read them from a backup. */
import { parseLabelSelector } from "../../kube/label-selector.ts";
import type { SelectionRequest } from "../../operations/objects/object-selection.ts";
import { readObjectRequests } from "../../storage/resource-argument.ts";
import { argument } from "./define-command.ts";
import { toggle, words } from "./flag.ts";
import { ENCRYPTION_FLAG, ETCD_PREFIX_FLAG, IDENTITY_FLAG } from "./snapshot-flags.ts";

export const SELECTION_ARGUMENT = argument(
  "[selection...]",
  "TYPE, TYPE NAME..., or TYPE/NAME...; all objects unless given",
);

export const SELECTOR_FLAG = words(
  "-l, --selector <selector>",
  "only objects with these labels, such as app=web or 'tier in (a,b)'",
);
export const ALL_NAMESPACES_FLAG = toggle("-A, --all-namespaces", "all namespaces");

/** For commands that look at everything unless a namespace is given. */
export const SELECTION_FLAGS = {
  namespace: words("-n, --namespace <namespace>", "only this namespace (default: all)"),
  allNamespaces: ALL_NAMESPACES_FLAG,
  selector: SELECTOR_FLAG,
};

/** Throws `usage` for what is no selection. */
export function selectionOf(
  selection: readonly string[],
  flags: {
    readonly namespace: string | undefined;
    readonly allNamespaces: boolean;
    readonly selector: string | undefined;
  },
): SelectionRequest {
  return {
    requests: selection.length === 0 ? [] : readObjectRequests(selection),
    namespace: flags.allNamespaces ? undefined : flags.namespace,
    selector: parseLabelSelector(flags.selector ?? ""),
  };
}

/** For commands that show what a backup holds. */
export const SHOWING_FLAGS = {
  encryptionConfig: ENCRYPTION_FLAG,
  etcdPrefix: ETCD_PREFIX_FLAG,
  identity: IDENTITY_FLAG,
  showSecrets: toggle("--show-secrets", "print the data of secrets"),
  all: toggle("--all", "also what changes by itself: status, leases, events, managedFields and the like"),
};

/** What operations get to decode with; paths are the user's. */
export function decodingOf({
  encryptionConfig,
  etcdPrefix,
}: {
  readonly encryptionConfig?: string | undefined;
  readonly etcdPrefix?: string | undefined;
}) {
  return {
    ...(encryptionConfig === undefined ? {} : { encryptionConfig }),
    ...(etcdPrefix === undefined ? {} : { etcdPrefix }),
  };
}
