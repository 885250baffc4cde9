/** How a cluster is reached: the kubeconfig that kubectl would use, or the service account of a pod. */
import { dirname, isAbsolute } from "node:path";
import { MendError } from "../../errors/errors.ts";
import { readYaml, YamlFault } from "../../kube/read-yaml.ts";
import { readTextFile } from "../files/read-file.ts";
import { chooseProxy, type Variables } from "../network/proxy-choice.ts";
import { type ExecPlugin, runExecPlugin } from "./exec-credential.ts";
import { accessOf, type ClusterAccess, unsupportedCredentials } from "./kubeconfig-access.ts";
import { invalidKubeconfig, type Kubeconfig, mergeKubeconfigs, parseKubeconfig } from "./kubeconfig-file.ts";

export type { ClusterAccess } from "./kubeconfig-access.ts";

/** Throws `config-invalid` with what is missing. Exec plugins and auth providers are `unsupported`. */
export function readKubeconfig(path: string, contextName?: string): ClusterAccess {
  const { access, exec } = accessOf(readKubeconfigFiles([path]), contextName);
  if (exec !== undefined) throw unsupportedCredentials(path, "exec");
  return access;
}

export interface AccessOptions {
  readonly contextName?: string | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Of the environment: `HTTPS_PROXY` and the like, for a cluster without a `proxy-url`. */
  readonly variables?: Variables | undefined;
}

/** Of several files as one. Runs an exec plugin where the credentials are one's to give. */
export async function readClusterAccess(
  paths: readonly string[],
  { contextName, signal, variables = {} }: AccessOptions = {},
): Promise<ClusterAccess> {
  const { access, exec } = accessOf(readKubeconfigFiles(paths), contextName);
  const proxied = withProxy(access, variables);
  return exec === undefined ? proxied : { ...proxied, ...(await runPlugin(exec, signal)) };
}

/** With the environment's proxy, where the kubeconfig names none. */
export function withProxy(access: ClusterAccess, variables: Variables): ClusterAccess {
  return access.proxy === undefined ? { ...access, proxy: chooseProxy(access.server, variables) } : access;
}

async function runPlugin(exec: ExecPlugin, signal: AbortSignal | undefined): Promise<Partial<ClusterAccess>> {
  const given = await runExecPlugin(exec, dirname(exec.file), signal);
  // What the plugin does not give stays as the kubeconfig has it.
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
}

/** Several files merged, as `$KUBECONFIG` may name them. */
export function readKubeconfigFiles(paths: readonly string[]): Kubeconfig {
  return mergeKubeconfigs(paths.map((path) => parseKubeconfig(parseYaml(readTextFile(path), path), path)));
}

/** Files that a kubeconfig names by a path beside it: what a copy of it lacks elsewhere. Empty for what is no kubeconfig. */
export function filesBeside(content: string): string[] {
  let config: Kubeconfig;
  try {
    config = parseKubeconfig(readYaml(content), "kubeconfig");
  } catch (error) {
    if (error instanceof MendError || error instanceof YamlFault) return []; // Whoever uses it will say so.
    throw error;
  }
  const owners = [...config.clusters.values(), ...config.users.values()];
  const named = owners.flatMap(({ fields }) =>
    ["certificate-authority", "client-certificate", "client-key", "tokenFile"]
      .filter((field) => !fields[`${field}-data`])
      .map((field) => fields[field])
      .filter((file) => typeof file === "string"),
  );
  return [...new Set(named.filter((file) => file !== "" && !isAbsolute(file)))].sort();
}

function parseYaml(content: string, path: string): unknown {
  try {
    return readYaml(content);
  } catch (cause) {
    if (cause instanceof YamlFault) throw invalidKubeconfig(path, `is not YAML: ${cause.message}`);
    throw cause;
  }
}
