/** The backup agent as a process of its own, which tests can kill. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { kubemend } from "../kubemend.ts";

const MAIN = join(import.meta.dirname, "../../src/cli/main.ts");

export interface BackupPlace {
  readonly directory: string;
  readonly repository: string;
  signingKey: string;
  readonly identity: string;
}

/** A new repository in a directory. */
export async function makeRepository(
  directory: string,
  repository = join(directory, "repository"),
  env: Readonly<Record<string, string>> = {},
): Promise<BackupPlace> {
  mkdirSync(directory, { recursive: true });
  const place = {
    directory,
    repository,
    signingKey: join(directory, "signing.pem"),
    identity: join(directory, "identity"),
  };
  const { code, stderr } = await kubemend(
    directory,
    [...["backup", "init", place.repository, "--signing-key", place.signingKey, "--identity", place.identity]],
    env,
  );
  if (code !== 0) throw new Error(stderr);
  return place;
}

export interface RunningAgent {
  readonly pid: number;
  readonly ended: boolean;
  /** Everything on standard error. */
  readonly reported: string;
  /** Each line of the log, parsed. */
  log(): { readonly level: string; readonly msg: string; readonly [field: string]: unknown }[];
  /** Resolves when a line of the log has this text in it. */
  logged(text: string): Promise<void>;
  stop(signal?: NodeJS.Signals): Promise<number | null>;
}

export interface AgentSettings {
  readonly name?: string;
  readonly endpoints: readonly string[];
  readonly interval?: string;
  readonly [setting: string]: unknown;
}

export function startAgent(
  place: BackupPlace,
  settings: AgentSettings,
  env: Readonly<Record<string, string>> = {},
  command: readonly string[] = [process.execPath, MAIN],
): RunningAgent {
  const { name = "node-1", endpoints, ...others } = settings;
  const config = join(place.directory, `${name}.yaml`);
  const value = {
    repository: place.repository,
    signingKeyFile: place.signingKey,
    name,
    etcd: { endpoints, timeout: "2s" },
    interval: "300ms",
    heartbeat: "1s",
    hashEvery: "1s",
    spool: { directory: join(place.directory, `spool-${name}`) },
    nodeFiles: false,
    metricsAddress: "none",
    ...others,
  };
  writeFileSync(config, JSON.stringify(value));
  const [program = process.execPath, ...first] = command;
  const child: ChildProcess = spawn(program, [...first, "backup", "run", "--config", config, "--log-level", "debug"], {
    stdio: ["ignore", "ignore", "pipe"],
    env: { ...process.env, ...env },
  });
  let text = "";
  const waiting = new Set<() => void>();
  child.stderr?.on("data", (chunk: Buffer) => {
    text += chunk.toString();
    for (const look of waiting) look();
  });
  return {
    pid: child.pid ?? -1,
    get ended() {
      return child.exitCode !== null || child.signalCode !== null;
    },
    get reported() {
      return text;
    },
    log: () =>
      text
        .split("\n")
        .filter((line) => line.startsWith("{"))
        .map((line) => JSON.parse(line)),
    logged: (wanted) =>
      new Promise((resolve, reject) => {
        const timer = setTimeout(() => reject(new Error(`"${wanted}" was not logged:\n${text}`)), 60_000);
        const look = (): void => {
          if (!text.includes(wanted)) return;
          clearTimeout(timer);
          waiting.delete(look);
          resolve();
        };
        waiting.add(look);
        look();
      }),
    async stop(signal = "SIGTERM") {
      if (child.exitCode !== null || child.signalCode !== null) return child.exitCode;
      const ended = once(child, "exit");
      child.kill(signal);
      await ended;
      return child.exitCode;
    },
  };
}

interface Listed {
  readonly spans: readonly {
    readonly toRevision: number;
    readonly fromRevision: number;
    readonly history: number;
    readonly fulls: readonly object[];
    readonly deltas: number;
  }[];
  readonly gaps: readonly { readonly fromRevision: number; readonly toRevision: number }[];
  readonly nodes: readonly { readonly node: string; readonly files: number }[];
}

export async function listed(place: BackupPlace): Promise<Listed> {
  const { stdout, stderr, code } = await kubemend(place.directory, ["backup", "list", place.repository, "-o", "json"]);
  if (code !== 0) throw new Error(stderr);
  return JSON.parse(stdout) as Listed;
}

/** Resolves when the repository has come to a revision, within a minute and a half. */
export async function storedTo(place: BackupPlace, revision: number): Promise<void> {
  const deadline = Date.now() + 90_000;
  for (;;) {
    const list = await listed(place);
    if ((list.spans.at(-1)?.toRevision ?? 0) >= revision) return;
    if (Date.now() > deadline) throw new Error(`revision ${revision} is not stored: ${JSON.stringify(list)}`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}
