/**
 * `backup run` until it has added a full and a delta to its repository; run as a program, so that it can be recorded.
 * What it stores is a real etcd's.
 */
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { run } from "../../src/cli/run.ts";

const POLL_MS = 100;
const MOST_POLLS = 600;

function linksOf(repository: string): number {
  const chain = join(repository, "chain");
  return existsSync(chain) ? readdirSync(chain).filter((name) => /^\d+$/.test(name)).length : 0;
}

async function put(endpoint: string): Promise<void> {
  const [key, value] = ["put", String(Date.now())].map((text) => Buffer.from(text).toString("base64"));
  await fetch(`${endpoint}/v3/kv/put`, { method: "POST", body: JSON.stringify({ key, value }) });
}

export async function runBackupAgent(
  config: string,
  endpoint: string,
  repository: string,
  env: Readonly<Record<string, string>> = {},
): Promise<void> {
  const over = new AbortController();
  const wanted = Math.max(2, linksOf(repository) + 1);
  let log = "";
  const sink = (write: (text: string) => void) => ({
    isTTY: false,
    columns: undefined,
    write: (text: string) => Promise.resolve(write(text)),
  });
  const ended = run(["backup", "run", "--config", config], {
    cwd: "/",
    env,
    now: Date.now,
    signal: over.signal,
    stdout: sink(() => {}),
    stderr: sink((text) => {
      log += text;
    }),
  });
  for (let polls = 0; linksOf(repository) < wanted && polls < MOST_POLLS; polls++) {
    if (polls % 10 === 5) await put(endpoint);
    await sleep(POLL_MS);
  }
  over.abort(new DOMException("interrupted", "AbortError"));
  const code = await ended;
  if (linksOf(repository) < wanted) throw new Error(`the agent stored too little, and ended with ${code}\n${log}`);
}

if (process.argv[1] === import.meta.filename) {
  const [config, endpoint, repository] = process.argv.slice(2);
  await runBackupAgent(config!, endpoint!, repository!);
  process.stdout.write("stored\n");
}
