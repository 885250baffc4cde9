import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type RequestListener } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { openDocker } from "./docker.ts";
import { readKubeletPods } from "./kubelet.ts";

const directory = mkdtempSync(join(tmpdir(), "kubemend-docker-"));
afterAll(() => rmSync(directory, { recursive: true }));

let count = 0;
async function serving<T>(answer: RequestListener, use: (socket: string) => Promise<T>): Promise<T> {
  const socket = join(directory, `${++count}.sock`);
  const server = createServer(answer).listen(socket);
  await once(server, "listening");
  try {
    return await use(socket);
  } finally {
    server.closeAllConnections();
    server.close();
  }
}

test("lists containers of pods, and says what Docker refuses", async () => {
  const asked: string[] = [];
  await serving(
    (request, response) => {
      asked.push(`${request.method} ${request.url!.split("?")[0]}`);
      if (request.url === "/version") response.end('{"Version":"20.10"}');
      else if (request.method === "POST") response.writeHead(500).end('{"message":"no"}');
      else if (request.method === "DELETE") response.writeHead(204).end();
      else {
        const Labels = {
          "io.kubernetes.pod.name": "web",
          "io.kubernetes.pod.namespace": "default",
          "io.kubernetes.container.name": "c",
        };
        response.end(JSON.stringify([{ Id: "1", State: "running", Labels }]));
      }
    },
    async (socket) => {
      const docker = await openDocker(socket);
      expect(docker.runtime).toBe("docker 20.10");
      const [container] = await docker.list();
      expect(container).toMatchObject({ id: "1", title: "default/web/c", running: true });
      await expect(docker.stop(container!, 1)).rejects.toThrow("Docker refuses POST /containers/1/stop: no");
      await docker.remove(container!);
      expect(asked.at(-1)).toBe("DELETE /containers/1");
    },
  );
});

test("an answer that never ends is interrupted; a socket that is not there is named", async () => {
  const interruption = new AbortController();
  await serving(
    (_, response) => {
      response.write("{");
      setTimeout(() => interruption.abort(new Error("Ctrl-C")), 20);
    },
    async (socket) => {
      await expect(openDocker(socket, interruption.signal)).rejects.toThrow("Ctrl-C");
    },
  );
  await expect(openDocker(join(directory, "none"))).rejects.toMatchObject({ code: "runtime-unreachable" });
});

test("a kubelet's read-only port, one that is none, and an interruption", async () => {
  const server = createServer((request, response) => {
    if (request.url === "/pods") response.end('{"items":[{"metadata":{"name":"a"}}]}');
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  const options = { host: "127.0.0.1", access: undefined, readOnlyPort: port };
  expect(await readKubeletPods(options)).toEqual([{ apiVersion: "v1", kind: "Pod", metadata: { name: "a" } }]);
  server.removeAllListeners("request").on("request", (_, response) => void response.write("{"));
  const interruption = new AbortController();
  const asked = readKubeletPods({ ...options, signal: interruption.signal });
  setTimeout(() => interruption.abort(new Error("Ctrl-C")), 50);
  await expect(asked).rejects.toThrow("Ctrl-C");
  server.closeAllConnections();
  server.close();
  await expect(readKubeletPods({ ...options, readOnlyPort: 1 })).rejects.toMatchObject({ code: "kubelet-unreachable" });
});
