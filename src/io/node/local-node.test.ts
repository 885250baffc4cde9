import { spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:net";
import { expect, test } from "vitest";
import { listenerOf, newestLog, programRuns, staticPodPath } from "./local-node.ts";

/** A process by that command line, of which only the first words count. */
async function run(name: string, ...words: string[]) {
  const script = "console.log(); setInterval(() => {}, 1000)";
  const child = spawn(process.execPath, ["-e", script, ...words], { argv0: name, stdio: ["ignore", "pipe", "ignore"] });
  await once(child.stdout, "data");
  return {
    async [Symbol.asyncDispose]() {
      child.kill();
      await once(child, "exit");
    },
  };
}

const NAME = `kube-component-${process.pid}`;

test.skipIf(process.platform !== "linux")(
  "a program runs by its name, by any path, or by hyperkube's short name",
  async () => {
    expect(programRuns(NAME, new Set())).toBe(false);
    for (const name of [NAME, `/usr/local/bin/${NAME}`, NAME.replace("kube-", "")]) {
      await using _ = await run(name);
      expect(programRuns(NAME, new Set())).toBe(true);
    }
    await using _ = await run("kubectl", "logs", NAME);
    expect(programRuns(NAME, new Set())).toBe(false);
  },
);

test.skipIf(process.platform !== "linux")("who listens on a port is told while it does", async () => {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  expect(listenerOf(port)).toMatch(/^node/);
  server.close();
  await once(server, "close");
  expect(listenerOf(port)).toBeUndefined();
});

test.each<[what: string, files: Parameters<typeof staticPodPath>[0], path: string | null | undefined]>([
  ["its configuration", [{ staticPodPath: "/a" }], "/a"],
  ["a file beside it, the last that sets it", [{ staticPodPath: "/a" }, { staticPodPath: "/b" }, {}], "/b"],
  ["nothing", [{}, {}], null],
  ["a file that cannot be read, and may", [{ staticPodPath: "/a" }, undefined, {}], undefined],
  ["a file behind one that cannot be read", [undefined, { staticPodPath: "/b" }], "/b"],
])("where a kubelet looks for static pods is said by %s", (_, files, path) => {
  expect(staticPodPath(files)).toBe(path);
});

test("an older container's last words are not taken for those of one that has not started", () => {
  const old = { time: 1000, size: 9 };
  const empty = { time: 3000, size: 0 };
  expect(newestLog([old], 0)).toBe(old);
  expect(newestLog([old], 2000)).toBeUndefined();
  expect(newestLog([old, empty], 0)).toBe(old);
  expect(newestLog([old, empty], 2000)).toBe(empty);
});
