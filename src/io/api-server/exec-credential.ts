/** Credentials from a program that a kubeconfig names (`client.authentication.k8s.io`, as kubectl runs it; never interactive here). */
import { execFile } from "node:child_process";
import { isAbsolute, resolve } from "node:path";
import { MendError } from "../../errors/errors.ts";
import { Secret } from "../../errors/secret.ts";

export interface ExecPlugin {
  readonly command: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly apiVersion: string;
  /** What the kubeconfig says to those who lack the program. */
  readonly installHint: string;
  /** The kubeconfig's own path: a command with a slash in it is found beside it. */
  readonly file: string;
  /** What the plugin asks to know of the cluster. */
  readonly cluster?: Readonly<Record<string, unknown>>;
}

export interface ExecCredential {
  readonly token: Secret | undefined;
  /** PEM. */
  readonly certificate: string | undefined;
  readonly key: string | undefined;
}

const PLUGIN_TIMEOUT_MS = 60_000;

/** A command with a slash in it is found from `directory`, the kubeconfig's own. Throws `config-invalid` with what went wrong. */
export async function runExecPlugin(
  plugin: ExecPlugin,
  directory: string,
  signal?: AbortSignal,
): Promise<ExecCredential> {
  const { command, args, env, apiVersion, cluster } = plugin;
  const program = command.includes("/") && !isAbsolute(command) ? resolve(directory, command) : command;
  const info = JSON.stringify({ apiVersion, kind: "ExecCredential", spec: { interactive: false, cluster } });
  const options = { env: { ...process.env, ...env, KUBERNETES_EXEC_INFO: info }, timeout: PLUGIN_TIMEOUT_MS };
  const printed = await new Promise<string>((done, fail) => {
    const child = execFile(program, [...args], { ...options, ...(signal && { signal }) }, (error, stdout, stderr) => {
      if (error === null) done(stdout);
      else fail(error.name === "AbortError" ? error : pluginError(plugin, reasonOf(error, stderr)));
    });
    child.stdin?.end();
  });
  return readCredential(plugin, printed);
}

function reasonOf(error: Error & { code?: string | number | null; killed?: boolean }, stderr: string): string {
  if (error.code === "ENOENT") return "there is no such program";
  if (error.code === "EACCES") return "it may not be run";
  if (error.killed === true) return `it did not end within ${PLUGIN_TIMEOUT_MS / 1000} s`;
  const last = stderr.trim().split("\n").at(-1) ?? "";
  return `it ended with code ${error.code}${last === "" ? "" : `: ${last}`}`;
}

function readCredential(plugin: ExecPlugin, printed: string): ExecCredential {
  let status: Readonly<Record<string, unknown>> | undefined;
  try {
    const value = JSON.parse(printed) as { readonly status?: Readonly<Record<string, unknown>> } | null;
    status = value?.status;
  } catch {
    throw pluginError(plugin, "what it prints is not JSON");
  }
  const field = (name: string) => (typeof status?.[name] === "string" ? (status[name] as string) : undefined);
  const token = field("token");
  const credential = {
    token: token === undefined ? undefined : new Secret(token),
    certificate: field("clientCertificateData"),
    key: field("clientKeyData"),
  };
  if (credential.token === undefined && credential.certificate === undefined) {
    throw pluginError(plugin, "it gives neither a token nor a certificate");
  }
  return credential;
}

function pluginError({ command, installHint }: ExecPlugin, reason: string): MendError {
  return new MendError("config-invalid", `the kubeconfig's program "${command}" gives no credentials: ${reason}`, {
    hint: installHint || "run it by hand to see why, or use a kubeconfig with a client certificate or a token",
  });
}
