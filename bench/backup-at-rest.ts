/**
 * `node bench/backup-at-rest.ts [PROGRAM] [--seconds 120] [--writes 2] [--json FILE]`: what the backup agent costs beside an
 * etcd to which little is written, as it is deployed: its memory and its share of a core. PROGRAM is the single executable
 * (`npm run build:exe`), or `dist/kubemend.js` (`npm run build`), which Node runs.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { encodeMessage } from "../src/protobuf/message.ts";
import { makeRepository, startAgent } from "../test/backup/agent.ts";
import { clientOf } from "../test/backup/recorded-history.ts";
import { startEtcd } from "../test/etcd-server.ts";
import { cpuSeconds, memoryOf } from "./at-rest.ts";
import { recordTable } from "./record.ts";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    seconds: { type: "string", default: "120" },
    writes: { type: "string", default: "2" },
    json: { type: "string" },
  },
});
const program = resolve(positionals[0] ?? "build/kubemend");
const command = program.endsWith(".js") ? [process.execPath, program] : [program];
const directory = mkdtempSync(join(tmpdir(), "kubemend-at-rest-"));
const record = recordTable(["what", "", "unit"], { file: values.json });
const server = await startEtcd({ suite: "trixie", dataDir: join(directory, "etcd") });
const place = await makeRepository(join(directory, "place"));
const settings = { endpoints: [server.endpoint], interval: "10s", heartbeat: "1m", hashEvery: "10m" };
const agent = startAgent(place, settings, {}, command);
const client = clientOf(server.endpoint);
try {
  await agent.logged("writing");
  const end = Date.now() + 1000 * Number(values.seconds) + 20_000;
  const writes = (async () => {
    for (let i = 0; Date.now() < end; i++) {
      const put = encodeMessage((m) => {
        m.bytes(1, Buffer.from(`/registry/leases/kube-node-lease/node-${i % 20}`));
        m.bytes(2, Buffer.alloc(300, 97 + (i % 26)));
      });
      await client.call("KV/Put", put);
      await sleep(1000 / Number(values.writes));
    }
  })();
  await sleep(20_000);
  const before = cpuSeconds(agent.pid);
  await sleep(1000 * Number(values.seconds));
  record.add(
    "CPU time at rest",
    (((cpuSeconds(agent.pid) - before) / Number(values.seconds)) * 100).toFixed(2),
    "% of a core",
  );
  for (const [name, kilobytes] of memoryOf(agent.pid)) record.add(name, (kilobytes / 1024).toFixed(1), "MiB");
  await writes;
  const way = program.endsWith(".js") ? "the bundle on Node" : "the executable";
  record.end(`${values.writes} writes a second for ${values.seconds} s, a delta every 10 s, by ${way}`);
} finally {
  client.close();
  await agent.stop("SIGKILL");
  await server.stop("SIGKILL");
  rmSync(directory, { recursive: true, force: true });
}
