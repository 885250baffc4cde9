/** Who is informed when an agent cannot work: a webhook, the node's Events, and who scrapes it. */
import { once } from "node:events";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { freePorts } from "../free-ports.ts";
import { makeRepository, startAgent } from "./agent.ts";

const directory = mkdtempSync(join(tmpdir(), "kubemend-faults-"));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

test("an etcd that is away is reported to Slack and as an Event; the newest drill is in the metrics", async () => {
  const asked: { readonly path: string; readonly body: Record<string, unknown> }[] = [];
  const { promise: both, resolve } = Promise.withResolvers<void>();
  let isFirst = true;
  const server = createServer((request, answer) => {
    const parts: Buffer[] = [];
    request.on("data", (part: Buffer) => parts.push(part));
    request.on("end", () => {
      const path = `${request.method} ${request.url}`;
      // The first try fails as a network does: it is made again.
      if (path === "POST /hook" && isFirst) {
        isFirst = false;
        return void request.socket.destroy();
      }
      const body = JSON.parse(Buffer.concat(parts).toString());
      asked.push({ path, body });
      answer.writeHead(201, { "content-type": "application/json" }).end(JSON.stringify(body));
      if (asked.length === 2) resolve();
    });
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  const base = `http://127.0.0.1:${(server.address() as { port: number }).port}`;
  const kubeconfig = {
    apiVersion: "v1",
    kind: "Config",
    clusters: [{ name: "c", cluster: { server: base } }],
    users: [{ name: "u", user: { token: "t" } }],
    contexts: [{ name: "c", context: { cluster: "c", user: "u" } }],
    "current-context": "c",
  };
  writeFileSync(join(directory, "kubeconfig"), JSON.stringify(kubeconfig));
  writeFileSync(join(directory, "hook"), `${base}/hook\n`);
  const place = await makeRepository(join(directory, "place"), join(directory, "repository"));
  mkdirSync(join(directory, "repository/reports"), { recursive: true });
  writeFileSync(
    join(directory, "repository/reports/drill-2026-11-29T03-30-00-000Z.json"),
    JSON.stringify({ time: "2026-11-29T03:30:00.000Z", totalMilliseconds: 42_500, ok: true }),
  );
  const [port = 0, nobody = 0] = await freePorts(2);
  const agent = startAgent(place, {
    name: "master-1",
    endpoints: [`http://127.0.0.1:${nobody}`],
    metricsAddress: `127.0.0.1:${port}`,
    webhook: { urlFile: join(directory, "hook"), format: "slack" },
    events: { kubeconfig: join(directory, "kubeconfig") },
  });
  try {
    await both;
    const hook = asked.find(({ path }) => path === "POST /hook");
    expect(hook?.body.text).toMatch(/etcd.*\(etcd, since .*, node master-1/);
    const event = asked.find(({ path }) => path === "POST /api/v1/namespaces/default/events");
    expect(event?.body).toMatchObject({ type: "Warning", involvedObject: { kind: "Node", name: "master-1" } });
    for (;;) {
      const metrics = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
      if (!metrics.includes("\nkubemend_backup_last_drill_seconds 42.5\n")) {
        await new Promise((wait) => setTimeout(wait, 100));
        continue;
      }
      const time = Date.parse("2026-11-29T03:30:00Z") / 1000;
      expect(metrics).toContain(`\nkubemend_backup_last_drill_timestamp_seconds ${time}\n`);
      expect(metrics).toContain("\nkubemend_backup_last_drill_success 1\n");
      expect(metrics).toMatch(/^kubemend_backup_errors_total\{kind="etcd"\} [1-9]/m);
      break;
    }
  } finally {
    await agent.stop("SIGKILL");
    server.close().closeAllConnections();
  }
});
