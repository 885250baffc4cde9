/** s3rver as an S3 server, and a proxy before it that does what networks and busy stores do. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { createServer, type IncomingMessage, request, type ServerResponse } from "node:http";
import { join } from "node:path";
import { freePorts } from "../free-ports.ts";

const PROGRAMS = process.env.KUBEMEND_TEST_PROGRAMS || join(import.meta.dirname, "../../.cache/test-programs");
const S3RVER = join(PROGRAMS, "stores/node_modules/s3rver/bin/s3rver.js");
export const hasS3 = existsSync(S3RVER);

/** The ones that it knows. */
const KEY = "S3RVER";
const SECRET = "S3RVER";

export interface S3Server {
  readonly endpoint: string;
  /** The environment that reaches it. */
  readonly env: Readonly<Record<string, string>>;
  stop(): Promise<void>;
}

/** With these buckets. It knows no conditional writes: {@link startFaults} adds them, as AWS, MinIO, Ceph and R2 have them. */
export async function startS3(directory: string, buckets: readonly string[]): Promise<S3Server> {
  const [port] = await freePorts(1);
  const made = buckets.flatMap((bucket) => ["--configure-bucket", bucket]);
  const child = spawn(
    process.execPath,
    [S3RVER, "-d", directory, "-a", "127.0.0.1", "-p", String(port), "--silent", ...made],
    {
      stdio: ["ignore", "ignore", "pipe"],
    },
  );
  let reported = "";
  child.stderr.on("data", (chunk: Buffer) => {
    reported += chunk.toString();
  });
  const endpoint = `http://127.0.0.1:${port}`;
  for (let i = 0; ; i++) {
    try {
      await fetch(endpoint);
      break;
    } catch {
      if (i > 100 || child.exitCode !== null) throw new Error(`s3rver does not serve: ${reported}`);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
  return {
    endpoint,
    env: environment(endpoint),
    async stop() {
      const ended = once(child, "exit");
      child.kill("SIGKILL");
      await ended;
    },
  };
}

export function environment(endpoint: string): Record<string, string> {
  return { AWS_ACCESS_KEY_ID: KEY, AWS_SECRET_ACCESS_KEY: SECRET, AWS_ENDPOINT_URL: endpoint, AWS_REGION: "us-east-1" };
}

export type Fault =
  /** The connection is cut before the request reaches the store, or after it was carried out. */
  | "cut-before"
  | "cut-after"
  | "slow-down"
  | "error"
  /** Half of the answer, and the end. */
  | "truncate"
  /** The store gets the request twice, and the client the second answer. */
  | "repeat";

/** Objects that were written, by their paths: for `If-None-Match: *`. */
const written = new Set<string>();

/**
 * `next` says what happens to each request. Where `isConditional`, a write with `If-None-Match: *` is refused where
 * there is an object already.
 */
export async function startFaults(
  target: string,
  next: (request: IncomingMessage) => Fault | undefined,
  isConditional = true,
): Promise<S3Server> {
  const { hostname, port } = new URL(target);
  interface Answer {
    readonly status: number;
    readonly headers: IncomingMessage["headers"];
    readonly bytes: Buffer;
  }
  const forward = (from: IncomingMessage, body: Buffer): Promise<Answer> => {
    const object = `${target}${from.url}`;
    if (from.method === "PUT" && isConditional) {
      if (from.headers["if-none-match"] === "*" && written.has(object)) {
        const bytes = Buffer.from("<Error><Code>PreconditionFailed</Code></Error>");
        return Promise.resolve({ status: 412, headers: {}, bytes });
      }
      written.add(object);
    }
    if (from.method === "DELETE") written.delete(object);
    return new Promise((resolve, reject) => {
      // The host is signed: it stays the proxy's.
      const to = request({ hostname, port, method: from.method, path: from.url, headers: from.headers }, (answer) => {
        const parts: Buffer[] = [];
        answer.on("data", (part: Buffer) => parts.push(part));
        answer.on("end", () => {
          if (from.method === "PUT" && (answer.statusCode ?? 500) >= 300) written.delete(object);
          resolve({ status: answer.statusCode ?? 502, headers: answer.headers, bytes: Buffer.concat(parts) });
        });
        answer.on("error", reject);
      });
      to.on("error", reject);
      to.end(body);
    });
  };
  async function serve(from: IncomingMessage, to: ServerResponse): Promise<void> {
    const parts: Buffer[] = [];
    for await (const part of from) parts.push(part as Buffer);
    const body = Buffer.concat(parts);
    const fault = next(from);
    if (fault === "cut-before") return void from.socket.destroy();
    if (fault === "slow-down" || fault === "error") {
      const code = fault === "error" ? "InternalError" : "SlowDown";
      return void to
        .writeHead(fault === "error" ? 500 : 503)
        .end(`<Error><Code>${code}</Code><Message>later</Message></Error>`);
    }
    let answer = await forward(from, body);
    if (fault === "repeat") answer = await forward(from, body);
    if (fault === "cut-after") return void from.socket.destroy();
    to.writeHead(answer.status, answer.headers);
    if (fault !== "truncate" || answer.bytes.length < 2)
      return void to.end(from.method === "HEAD" ? undefined : answer.bytes);
    to.write(answer.bytes.subarray(0, answer.bytes.length >> 1), () => from.socket.destroy());
  }
  const server = createServer((from, to) => {
    serve(from, to).catch(() => from.socket.destroy());
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const endpoint = `http://127.0.0.1:${(server.address() as { port: number }).port}`;
  return {
    endpoint,
    env: environment(endpoint),
    async stop() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}
