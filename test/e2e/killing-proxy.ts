/**
 * A way to the API server that kills a run at an exact step: before a chosen write reaches the server, or after the
 * server has carried it out and before anybody hears of that. Writes are counted; reads pass.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { Agent, request } from "node:https";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { parse } from "yaml";

export type KillPoint = "before" | "after";

const MAIN = join(import.meta.dirname, "../../src/cli/main.ts");

export class KillingProxy implements Disposable {
  readonly #server: Server;
  readonly #upstream: URL;
  readonly #agent: Agent;
  readonly #kubeconfig: string;
  readonly #directory: string;
  #writesLeft = 0;
  #point: KillPoint = "before";
  #kill: () => void = () => {};
  /** How many answers said that the server was too busy. */
  throttled = 0;

  private constructor(upstream: URL, agent: Agent, directory: string) {
    this.#upstream = upstream;
    this.#agent = agent;
    this.#directory = directory;
    this.#kubeconfig = join(directory, "killing.kubeconfig");
    this.#server = createServer((asked, answer) => void this.#pass(asked, answer));
  }

  /** In front of the API server that `kubeconfig` names, with the client certificate in it. */
  static async open(kubeconfigText: string, directory: string): Promise<KillingProxy> {
    const { clusters, users } = parse(kubeconfigText);
    const decode = (text: string) => Buffer.from(text, "base64").toString();
    const agent = new Agent({
      keepAlive: true,
      ca: decode(clusters[0].cluster["certificate-authority-data"]),
      cert: decode(users[0].user["client-certificate-data"]),
      key: decode(users[0].user["client-key-data"]),
    });
    const proxy = new KillingProxy(new URL(clusters[0].cluster.server), agent, directory);
    proxy.#server.listen(0, "127.0.0.1");
    await once(proxy.#server, "listening");
    const { port } = proxy.#server.address() as AddressInfo;
    const cluster = { name: "c", cluster: { server: `http://127.0.0.1:${port}` } };
    const context = { name: "c", context: { cluster: "c", user: "u" } };
    const config = {
      clusters: [cluster],
      users: [{ name: "u", user: {} }],
      contexts: [context],
      "current-context": "c",
    };
    writeFileSync(proxy.#kubeconfig, JSON.stringify({ apiVersion: "v1", kind: "Config", ...config }));
    return proxy;
  }

  [Symbol.dispose](): void {
    this.#server.closeAllConnections();
    this.#server.close();
    this.#agent.destroy();
  }

  /**
   * Runs the command line as a process of its own, and kills it at its `write`th write. Returns its exit code; null
   * where it was killed.
   */
  async run(words: readonly string[], write: number, point: KillPoint): Promise<number | null> {
    const env = { ...process.env, KUBECONFIG: this.#kubeconfig };
    const child = spawn(process.execPath, [MAIN, "objects", ...words], { cwd: this.#directory, env, stdio: "ignore" });
    const ended = once(child, "exit");
    this.#writesLeft = write;
    this.#point = point;
    this.#kill = () => void child.kill("SIGKILL");
    const [code] = (await ended) as [number | null];
    this.#kill = () => {};
    return code;
  }

  async #pass(asked: IncomingMessage, answer: ServerResponse): Promise<void> {
    const isWrite = asked.method !== "GET";
    const isLast = isWrite && --this.#writesLeft === 0;
    if (isWrite && this.#writesLeft < 0) return; // what comes after the kill has not been sent
    if (isLast && this.#point === "before") return this.#kill();
    const { host: _, ...headers } = asked.headers;
    const sent = request(
      { ...urlParts(this.#upstream), method: asked.method, path: asked.url, headers, agent: this.#agent },
      (response) => {
        if (response.statusCode === 429) this.throttled++;
        if (isLast) {
          response.resume();
          response.once("end", () => this.#kill());
          return;
        }
        answer.writeHead(response.statusCode ?? 502, response.headers);
        response.pipe(answer);
      },
    );
    sent.on("error", () => answer.destroy());
    asked.pipe(sent);
  }
}

function urlParts({ hostname, port }: URL): { readonly host: string; readonly port: string } {
  return { host: hostname, port };
}
