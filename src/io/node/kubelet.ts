/**
 * The kubelet of this node: its list of pods, by its own API with the cluster's credentials, or by its read-only port
 * where it has one. Without an API server the list is the last that it was given, and says nothing of what really runs.
 */
import type { RequestOptions } from "node:https";
import { connect } from "node:net";
import { MendError } from "../../errors/errors.ts";
import type { KubeObject } from "../../kube/object.ts";
import type { ClusterAccess } from "../api-server/kubeconfig-access.ts";
import { Deadline, SLOWEST_PACE } from "../network/deadline.ts";
import { readBody, sendRequest } from "../network/http-exchange.ts";

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
 * Throws `kubelet-unreachable` with what the secure port said, when neither answers. The kubelet's certificate is its
 * own, signed by nobody, so it is not checked: a connection to this node's own address meets this node.
 */
export async function readKubeletPods(options: KubeletOptions): Promise<KubeObject[]> {
  const { host, access, signal, securePort = SECURE_PORT, readOnlyPort = READ_ONLY_PORT } = options;
  let refused: unknown;
  if (access !== undefined) {
    try {
      return await securePods(host, securePort, signal, {
        rejectUnauthorized: false,
        ...(access.certificate !== undefined && { cert: access.certificate }),
        ...(access.key !== undefined && { key: access.key }),
        ...(access.token !== undefined && { headers: { authorization: `Bearer ${access.token.expose()}` } }),
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
    const reason = cause instanceof Error ? ((cause as NodeJS.ErrnoException).code ?? cause.message) : String(cause);
    throw new MendError("kubelet-unreachable", `the kubelet at "${host}" does not list its pods: ${reason}`, {
      where: host,
      hint: "check that it runs, and that the credentials may get nodes/proxy",
      cause,
    });
  }
}

async function securePods(
  host: string,
  port: number,
  signal: AbortSignal | undefined,
  options: RequestOptions,
): Promise<KubeObject[]> {
  using deadline = new Deadline(TIMEOUT_MS, { signal, pace: SLOWEST_PACE });
  const url = new URL(`https://${host.includes(":") ? `[${host}]` : host}:${port}/pods`);
  const response = await sendRequest({ url, options: { ...options, agent: false } }, deadline);
  const body = await readBody(response, deadline, MOST_BYTES);
  if (response.statusCode !== 200) throw new Error(`status ${response.statusCode}`);
  return podsOf(body.toString("utf8"));
}

/** In HTTP/1.0, where an answer is what comes until the end: see plain-http.ts for why without a client. */
async function readOnlyPods(host: string, port: number, signal: AbortSignal | undefined): Promise<KubeObject[]> {
  using deadline = new Deadline(TIMEOUT_MS, { signal, pace: SLOWEST_PACE });
  const socket = connect({ host, port }, () => {
    socket.write(`GET /pods HTTP/1.0\r\nhost: ${host}\r\naccept: application/json\r\n\r\n`);
  });
  const answered = new Promise<string>((resolve, reject) => {
    const chunks: Buffer[] = [];
    let size = 0;
    socket.on("error", reject);
    socket.on("data", (chunk: Buffer) => {
      deadline.advance(chunk.length);
      size += chunk.length;
      if (size > MOST_BYTES) reject(new Error("its list has no end"));
      else chunks.push(chunk);
    });
    socket.on("end", () => resolve(Buffer.concat(chunks).toString("utf8")));
  });
  try {
    const text = await deadline.race(answered);
    const [, status] = /^HTTP\/1\.[01] (\d{3})/.exec(text) ?? [];
    const start = text.indexOf("\r\n\r\n");
    if (status === "200" && start > 0) return podsOf(text.slice(start + 4));
    throw new Error(status === undefined ? "it does not speak HTTP" : `status ${status}`);
  } finally {
    socket.destroy();
  }
}

function podsOf(text: string): KubeObject[] {
  const list = JSON.parse(text) as { items?: KubeObject[] | null };
  return (list.items ?? []).map((pod) => ({ ...pod, apiVersion: "v1", kind: "Pod" }));
}
