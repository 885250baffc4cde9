/** Reads a kubeconfig as far as a machine's own needs it. */
import { dirname, isAbsolute } from "node:path";
import { parse } from "yaml";
import { MendError } from "../../errors/errors.ts";
import { readTextFile } from "../files/read-file.ts";
import { type ExecPlugin, runExecPlugin } from "./exec-credential.ts";
import { accessOf, type ClusterAccess, entries, record, text, unsupportedCredentials } from "./kubeconfig-access.ts";

export type { ClusterAccess } from "./kubeconfig-access.ts";

/** Throws `config-invalid` with what is missing. Exec plugins and auth providers are `unsupported`. */
export function readKubeconfig(path: string, contextName?: string): ClusterAccess {
  const { access, exec } = parseKubeconfig(path, contextName);
  if (exec !== undefined) throw unsupportedCredentials(path, "exec");
  return access;
}

/** As {@link readKubeconfig}, and runs an exec plugin where the credentials are one's to give. */
export async function readClusterAccess(
  path: string,
  contextName?: string,
  signal?: AbortSignal,
): Promise<ClusterAccess> {
  const { access, exec } = parseKubeconfig(path, contextName);
  return exec === undefined ? access : { ...access, ...(await runExecPlugin(exec, dirname(path), signal)) };
}

/** Files that a kubeconfig names by a path beside it: what a copy of it lacks elsewhere. Empty for what is no kubeconfig. */
export function filesBeside(content: string): string[] {
  let config: Record<string, unknown>;
  try {
    config = record(parse(content));
  } catch {
    return []; // Whoever uses it will say so.
  }
  const owners = [...entries(config.clusters, "cluster").values(), ...entries(config.users, "user").values()];
  const named = owners.flatMap((owner) =>
    ["certificate-authority", "client-certificate", "client-key", "tokenFile"]
      .filter((field) => text(owner[`${field}-data`]) === "")
      .map((field) => text(owner[field])),
  );
  return [...new Set(named.filter((file) => file !== "" && !isAbsolute(file)))].sort();
}

function parseKubeconfig(
  path: string,
  contextName: string | undefined,
): { readonly access: ClusterAccess; readonly exec: ExecPlugin | undefined } {
  return accessOf(parseYaml(path), path, contextName);
}

function parseYaml(path: string): unknown {
  const content = readTextFile(path);
  try {
    return parse(content);
  } catch (cause) {
    throw new MendError("config-invalid", `"${path}" is not YAML`, { hint: "pass a kubeconfig", cause });
  }
}
