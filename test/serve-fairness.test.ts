/** A long answer to a client that reads as fast as it can lets other clients in between. */
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { clusterEntries, madeSnapshot } from "./made-snapshot.ts";
import { serveFile, type TestServer } from "./serving.ts";

let directory: string;
let server: TestServer;
beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), "fairness-"));
  const objects = Array.from({ length: 4000 }, (_, i) => ({
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: { name: `map-${i}`, namespace: "default" },
    data: { text: "text ".repeat(1500) },
  }));
  const path = join(directory, "long.db");
  writeFileSync(path, madeSnapshot(clusterEntries(objects as never)));
  server = await serveFile(path);
});
afterAll(async () => {
  await server.stop();
  rmSync(directory, { recursive: true, force: true });
});

/** Reads everything in a process of its own, then asks for the version in another one, and prints in which order they ended. */
const READER = `
  const [origin, token, path] = process.argv.slice(1);
  const answer = await fetch(origin + path, { headers: { authorization: "Bearer " + token, "accept-encoding": "identity" } });
  let first = true;
  for await (const part of answer.body) {
    if (first) console.log("first");
    first = false;
  }
  console.log("last");
`;

test("another client is answered before the long answer ends", async () => {
  const { origin } = new URL(server.page);
  const child = spawn(
    process.execPath,
    ["--input-type=module", "-e", READER, origin, server.token, "/api/v1/configmaps"],
    { stdio: ["ignore", "pipe", "inherit"] },
  );
  const order: string[] = [];
  let asked: Promise<void> | undefined;
  for await (const chunk of child.stdout) {
    for (const word of String(chunk).trim().split("\n")) {
      order.push(word);
      asked ??= server.fetch("/version").then(async (answer) => {
        await answer.text();
        order.push("other");
      });
    }
  }
  await asked;
  expect(order).toEqual(["first", "other", "last"]);
});
