/**
 * The kubelet of this node: its list of pods, by its own API with the cluster's credentials, or by its read-only port where it has one. Without an API server the
 * list is the last that it was told, and says nothing of what really runs.
 */
import { request as httpRequest } from "node:http";
import { request as httpsRequest } from "node:https";
import { MendError } from "../errors.ts";
import type { JsonObject, KubeObject } from "../storage/object.ts";
import type { ClusterAccess } from "./kubeconfig.ts";

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
    return await pods(httpRequest, host, readOnlyPort, signal, {});
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
  request: typeof httpsRequest | typeof httpRequest,
  host: string,
  port: number,
  signal: AbortSignal | undefined,
  options: JsonObject,
): Promise<KubeObject[]> {
  return new Promise((resolve, reject) => {
    const sent = request(
      { host, port, path: "/pods", agent: false, ...(signal !== undefined && { signal }), ...options },
      (response) => {
        const chunks: Buffer[] = [];
        let size = 0;
        response.on("data", (chunk: Buffer) => {
          size += chunk.length;
          if (size > MOST_BYTES) sent.destroy(new Error("its list has no end"));
          else chunks.push(chunk);
        });
        response.on("error", reject);
        response.on("end", () => {
          if (response.statusCode !== 200) return reject(new Error(`status ${response.statusCode}`));
          try {
            const list = JSON.parse(Buffer.concat(chunks).toString("utf8")) as { items?: KubeObject[] | null };
            resolve((list.items ?? []).map((pod) => ({ ...pod, apiVersion: "v1", kind: "Pod" })));
          } catch (error) {
            reject(error);
          }
        });
      },
    );
    sent.setTimeout(TIMEOUT_MS, () => sent.destroy(Object.assign(new Error("no answer"), { code: "ETIMEDOUT" })));
    sent.on("error", reject);
    sent.end();
  });
}
