/** An etcd that ends every watch at once, as one does for a user who may not read what is watched. */
import { mkdtempSync, rmSync } from "node:fs";
import { connect, createServer, type ServerHttp2Stream } from "node:http2";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import { startEtcd } from "../etcd-server.ts";
import { findProgram } from "../programs.ts";
import { makeRepository, startAgent, storedTo } from "./agent.ts";

/** WatchResponse (etcd, `api/etcdserverpb/rpc.proto`): `created`; then `canceled`, with the reason "no". */
const CREATED = [0x18, 1];
const CANCELED = [0x20, 1, 0x32, 2, 0x6e, 0x6f];

function message(bytes: readonly number[]): Buffer {
  return Buffer.from([0, 0, 0, 0, bytes.length, ...bytes]);
}

/** In front of an etcd: everything passes, but watches, which are counted. */
async function endWatches(endpoint: string) {
  const etcd = connect(endpoint);
  etcd.on("error", () => {});
  let watches = 0;
  const server = createServer();
  server.on("sessionError", () => {});
  server.on("stream", (stream: ServerHttp2Stream, headers) => {
    stream.on("error", () => {});
    if (headers[":path"] === "/etcdserverpb.Watch/Watch") {
      watches++;
      stream.respond({ ":status": 200, "content-type": "application/grpc" }, { waitForTrailers: true });
      stream.on("wantTrailers", () => stream.sendTrailers({ "grpc-status": "0" }));
      stream.write(message(CREATED));
      stream.end(message(CANCELED));
      return;
    }
    const { ":authority": _, ...rest } = headers;
    const behind = etcd.request(rest);
    let trailers = {};
    behind.on("error", () => stream.close());
    behind.on("trailers", (found) => {
      trailers = found;
    });
    stream.on("wantTrailers", () => stream.sendTrailers(trailers));
    behind.on("response", (answer) => {
      stream.respond(answer, { waitForTrailers: true });
      behind.pipe(stream);
    });
    stream.pipe(behind);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    watches: () => watches,
    close() {
      server.close();
      etcd.destroy();
    },
  };
}

test.skipIf(findProgram("trixie", "etcd") === undefined)(
  "is asked a few times, and not thousands of times",
  { timeout: 180_000 },
  async () => {
    const directory = mkdtempSync(join(tmpdir(), "kubemend-ended-watches-"));
    const etcd = await startEtcd({ suite: "trixie", dataDir: join(directory, "etcd") });
    const front = await endWatches(etcd.endpoint);
    try {
      await etcd.etcdctl("put", "key", "value");
      const place = await makeRepository(join(directory, "place"));
      const first = startAgent(place, { endpoints: [etcd.endpoint] });
      await storedTo(place, 2);
      await first.stop();
      await etcd.etcdctl("put", "key", "another");
      const second = startAgent(place, { endpoints: [front.endpoint] });
      await second.logged("etcd ended the watch");
      await sleep(4000);
      await second.stop();
      expect(front.watches(), second.reported).toBeGreaterThan(0);
      expect(front.watches(), second.reported).toBeLessThan(10);
    } finally {
      front.close();
      await etcd.stop("SIGKILL");
      rmSync(directory, { recursive: true, force: true });
    }
  },
);
