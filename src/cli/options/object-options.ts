/** How commands on objects are told which ones: `TYPE[/NAME]`, namespace and labels. */
import type { Command } from "commander";
import { parseLabelSelector } from "../../kube/label-selector.ts";
import type { SelectionRequest } from "../../operations/objects/object-selection.ts";
import { readObjectRequests } from "../../storage/resource-argument.ts";

export interface SelectionOptions {
  readonly namespace?: string;
  readonly allNamespaces?: true;
  readonly selector?: string;
}

/** `-n`, `-A` and `-l`. Without any of them all namespaces are meant. */
export function selectionOptions(command: Command): Command {
  return command
    .option("-n, --namespace <namespace>", "only this namespace (all unless given)")
    .option("-A, --all-namespaces", "all namespaces")
    .option("-l, --selector <selector>", "only objects with these labels, such as app=web or 'tier in (a,b)'");
}

/** Throws `usage` for what is no selection. */
export function selectionOf(words: readonly string[], options: SelectionOptions): SelectionRequest {
  return {
    requests: words.length === 0 ? [] : readObjectRequests(words),
    namespace: options.allNamespaces === true ? undefined : options.namespace,
    selector: parseLabelSelector(options.selector ?? ""),
  };
}

/** The options of every command that decodes what a snapshot holds. */
export function decodingOptions(command: Command): Command {
  return command
    .option("--encryption-config <file>", "the API server's --encryption-provider-config")
    .option("--etcd-prefix <prefix>", "where the cluster is in etcd (found unless given)")
    .option("--show-secrets", "print the data of secrets")
    .option("--all", "also what changes by itself: status, leases, events, managedFields and the like");
}

export interface DecodingOptions {
  readonly encryptionConfig?: string;
  readonly etcdPrefix?: string;
  readonly showSecrets?: true;
  readonly all?: true;
}

/** What operations get of {@link decodingOptions}. */
export function decodingFlags({ encryptionConfig, etcdPrefix }: DecodingOptions) {
  return {
    ...(encryptionConfig === undefined ? {} : { encryptionConfig }),
    ...(etcdPrefix === undefined ? {} : { etcdPrefix }),
  };
}
