/** A server on a snapshot, in this process, and the programs that ask it. */
import { execFile } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { plainText } from "../src/errors/input.ts";
import { type ServeOptions, type Serving, startServing } from "../src/operations/serve/serve.ts";
import { findProgram, type Suite } from "./programs.ts";

export interface TestServer extends Serving {
  /** What ages are counted to from now on. */
  setNow(now: number): void;
  readonly token: string;
  /** The body of an answer, and its head. */
  fetch(path: string, headers?: Readonly<Record<string, string>>, init?: RequestInit): Promise<Response>;
  kubectl(suite: Suite, ...args: readonly string[]): Promise<ProgramResult>;
  stop(): Promise<void>;
}

export interface ProgramResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export async function serveFile(path: string, options: Partial<ServeOptions> = {}): Promise<TestServer> {
  const directory = mkdtempSync(join(tmpdir(), "serve-"));
  let current: number | undefined;
  const serving = await startServing(path, {
    host: "127.0.0.1",
    port: 0,
    showSecrets: true,
    inUserTerms: plainText,
    kubeconfig: join(directory, "kubeconfig"),
    now: () => current ?? Date.now(),
    ...options,
  });
  const page = new URL(serving.page);
  const token = page.searchParams.get("token")!;
  return {
    ...serving,
    token,
    setNow(now) {
      current = now;
    },
    fetch: (path, headers = {}, init = {}) =>
      fetch(new URL(path, page.origin), {
        redirect: "manual",
        ...init,
        headers: { authorization: `Bearer ${token}`, ...headers },
      }),
    kubectl: (suite, ...args) =>
      runProgram(findProgram(suite, "kubectl")!, args, {
        KUBECONFIG: serving.kubeconfig,
        HOME: directory,
        KUBECACHEDIR: join(directory, "cache"),
      }),
    async stop() {
      await serving.close();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

/** Runs a program to its end; the code is what it exits with. */
export function runProgram(
  program: string,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<ProgramResult> {
  return new Promise((resolve) => {
    const options = { env: { PATH: process.env.PATH ?? "", ...env }, maxBuffer: 1 << 28, timeout: 60_000 };
    execFile(program, [...args], options, (error, stdout, stderr) => {
      const code = error === null ? 0 : typeof error.code === "number" ? error.code : 255;
      resolve({ code, stdout, stderr });
    });
  });
}
