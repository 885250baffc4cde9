/**
 * `backup run` until it has stored a full and a delta; run as a program, so that it can be recorded. What it stores is
 * a real etcd's.
 */
import { run } from "../../src/cli/run.ts";

const STORED = /"msg":"(?:full|delta) stored"/g;

export async function runBackupAgent(config: string, endpoint: string): Promise<void> {
  const over = new AbortController();
  let log = "";
  let puts = 0;
  const put = async (): Promise<void> => {
    const body = {
      key: Buffer.from(`put-${puts++}`).toString("base64"),
      value: Buffer.from("value").toString("base64"),
    };
    await fetch(`${endpoint}/v3/kv/put`, { method: "POST", body: JSON.stringify(body) });
  };
  const sink = (write: (text: string) => void) => ({
    isTTY: false,
    columns: undefined,
    write: (text: string) => Promise.resolve(write(text)),
  });
  let stored = 0;
  const code = await run(["backup", "run", "--config", config], {
    cwd: "/",
    env: {},
    now: Date.now,
    signal: over.signal,
    stdout: sink(() => {}),
    stderr: sink((text) => {
      log += text;
      const now = log.match(STORED)?.length ?? 0;
      if (now > stored && now < 2) void put();
      if (now >= 2) over.abort(new DOMException("interrupted", "AbortError"));
      stored = now;
    }),
  });
  if (stored < 2) throw new Error(`the agent ended with ${code}\n${log}`);
}

if (process.argv[1] === import.meta.filename) {
  const [config, endpoint] = process.argv.slice(2);
  await runBackupAgent(config!, endpoint!);
  process.stdout.write("stored\n");
}
