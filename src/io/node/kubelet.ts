/**
 * The kubelet of this node: its list of pods, by its own API with the cluster's credentials, or by its read-only port where it has one. Without an API server the
 * list is the last that it was told, and says nothing of what really runs.
 */
import { request as httpsRequest } from "node:https";
import { connect } from "node:net";
import { MendError } from "../../errors/errors.ts";
import type { JsonObject, KubeObject } from "../../kube/object.ts";
import type { ClusterAccess } from "../api-server/kubeconfig-access.ts";

const SECURE_PORT = 10_250;
const READ_ONLY_PORT = 10_255;
const TIMEOUT_MS = 5000;
const MOST_BYTES = 64 << 20;

export interface KubeletOptions {
  /** This node's own address. */
  readonly host: string;
  /** Undefined: the read-only port alone is tried. */
  readonly access: ClusterAccess | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly securePort?: number;
  readonly readOnlyPort?: number;
}

/**
 * Throws `kubelet-unreachable` with what the secure port said, when neither answers. The kubelet's certificate is its own, signed by nobody, so it is not checked:
 * a connection to this node's own address meets this node.
 */
export async function readKubeletPods(options: KubeletOptions): Promise<KubeObject[]> {
  const { host, access, signal, securePort = SECURE_PORT, readOnlyPort = READ_ONLY_PORT } = options;
  let refused: unknown;
  if (access !== undefined) {
    try {
      return await pods(httpsRequest, host, securePort, signal, {
        rejectUnauthorized: false,
        ...(access.certificate !== undefined && { cert: access.certificate }),
        ...(access.key !== undefined && { key: access.key }),
        ...(access.token !== undefined && { headers: { authorization: `Bearer ${access.token}` } }),
      });
    } catch (error) {
      signal?.throwIfAborted();
      refused = error;
    }
  }
  try {
    return await readOnlyPods(host, readOnlyPort, signal);
  } catch (error) {
    signal?.throwIfAborted();
    const cause = refused ?? error;
    const said = cause instanceof Error ? ((cause as NodeJS.ErrnoException).code ?? cause.message) : String(cause);
    throw new MendError("kubelet-unreachable", `the kubelet at "${host}" does not list its pods: ${said}`, {
      where: host,
      hint: "check that it runs, and that the credentials may get nodes/proxy",
      cause,
    });
  }
}

function pods(
  request: typeof httpsRequest,
  host: string,
  port: number,
  signal: AbortSignal | undefined,
  options: JsonObject,
): Promise<KubeObject[]> {
  return new Promise((resolve, reject) => {
    const sent = request(
      { host, port, path: "/pods", agent: false, ...(signal !== undefined && { signal }), ...options },
      (response) => {
        const body = collect((error) => sent.destroy(error));
        response.on("data", body.add);
        response.on("error", reject);
        response.on("end", () => {
          if (response.statusCode === 200) settle(body.text(), resolve, reject);
          else reject(new Error(`status ${response.statusCode}`));
        });
      },
    );
    sent.setTimeout(TIMEOUT_MS, () => sent.destroy(Object.assign(new Error("no answer"), { code: "ETIMEDOUT" })));
    sent.on("error", reject);
    sent.end();
  });
}

/** In HTTP/1.0, where an answer is what comes until the end: see plain-http.ts for why without a client. */
function readOnlyPods(host: string, port: number, signal: AbortSignal | undefined): Promise<KubeObject[]> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port, ...(signal !== undefined && { signal }) }, () => {
      socket.write(`GET /pods HTTP/1.0\r\nhost: ${host}\r\naccept: application/json\r\n\r\n`);
    });
    const answer = collect((error) => socket.destroy(error));
    socket.setTimeout(TIMEOUT_MS, () => socket.destroy(Object.assign(new Error("no answer"), { code: "ETIMEDOUT" })));
    socket.on("error", reject);
    socket.on("data", answer.add);
    socket.on("end", () => {
      const text = answer.text();
      const [, status] = /^HTTP\/1\.[01] (\d{3})/.exec(text) ?? [];
      const start = text.indexOf("\r\n\r\n");
      if (status === "200" && start > 0) settle(text.slice(start + 4), resolve, reject);
      else reject(new Error(status === undefined ? "it does not speak HTTP" : `status ${status}`));
    });
  });
}

function collect(tooMuch: (error: Error) => void): { add(chunk: Buffer): void; text(): string } {
  const chunks: Buffer[] = [];
  let size = 0;
  return {
    add(chunk) {
      size += chunk.length;
      if (size > MOST_BYTES) tooMuch(new Error("its list has no end"));
      else chunks.push(chunk);
    },
    text: () => Buffer.concat(chunks).toString("utf8"),
  };
}

function settle(text: string, resolve: (pods: KubeObject[]) => void, reject: (error: unknown) => void): void {
  try {
    const list = JSON.parse(text) as { items?: KubeObject[] | null };
    resolve((list.items ?? []).map((pod) => ({ ...pod, apiVersion: "v1", kind: "Pod" })));
  } catch (error) {
    reject(error);
  }
}
