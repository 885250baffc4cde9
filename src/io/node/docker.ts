/**
 * Docker's own API over its socket (`docs.docker.com/engine/api`, version 1.24 and later), as much as it takes to end
 * what the kubelet has started.
 */

import type { IncomingMessage } from "node:http";
import { z } from "zod";
import { MendError } from "../../errors/errors.ts";
import { input } from "../../errors/input.ts";
import { systemCode } from "../../errors/system-error.ts";
import { recordChange } from "../audit/audit-trail.ts";
import { Deadline, DeadlinePassed } from "../network/deadline.ts";
import { AnswerTooLong, readBody, sendRequest } from "../network/http-exchange.ts";
import type { NodeContainers } from "./containers.ts";

export const DOCKER_SOCKET = "/var/run/docker.sock";
const TIMEOUT = 30_000;
const MOST_BYTES = 64 << 20;
/** What dockershim and cri-dockerd put on every container. */
const POD_LABEL = "io.kubernetes.pod.name";

const versionSchema = z.object({ Version: z.string() });
const containersSchema = z.array(
  z.object({ Id: z.string(), State: z.string(), Labels: z.record(z.string(), z.string()).nullable() }),
);

/** Throws `runtime-unreachable`, `runtime-refused` or `permission-denied`, as all of its calls do. */
export async function openDocker(socket: string, signal?: AbortSignal): Promise<NodeContainers> {
  const ask = (method: string, path: string, accepted: readonly number[], patience = TIMEOUT): Promise<unknown> =>
    call(socket, method, path, accepted, patience, signal);
  const { Version } = checked(versionSchema, await ask("GET", "/version", [200]), socket);
  return {
    runtime: `docker ${Version}`,
    async list() {
      const filters = encodeURIComponent(JSON.stringify({ label: [POD_LABEL] }));
      const answer = await ask("GET", `/containers/json?all=1&filters=${filters}`, [200]);
      const found = checked(containersSchema, answer, socket);
      return found.map(({ Id, State, Labels }) => {
        const label = (name: string): string => Labels?.[`io.kubernetes.${name}`] ?? "?";
        const sandbox = label("docker.type") === "podsandbox";
        const pod = `${label("pod.namespace")}/${label("pod.name")}`;
        return {
          id: Id,
          title: sandbox ? pod : `${pod}/${label("container.name")}`,
          sandbox,
          running: State !== "exited" && State !== "created" && State !== "dead",
        };
      });
    },
    // 304: it has stopped already; 404: it is gone; 409: it is being removed
    stop: async ({ id }, grace) => {
      await ask("POST", `/containers/${id}/stop?t=${grace}`, [204, 304, 404], TIMEOUT + grace * 1000);
      recordChange({ action: "stop container", target: id, by: socket });
    },
    remove: async ({ id }) => {
      await ask("DELETE", `/containers/${id}?force=1&v=1`, [204, 404, 409]);
      recordChange({ action: "remove container", target: id, by: socket });
    },
    close: () => {},
  };
}

function checked<T>(schema: z.ZodType<T>, answer: unknown, socket: string): T {
  const parsed = schema.safeParse(answer);
  if (parsed.success) return parsed.data;
  throw new MendError("runtime-refused", `"${socket}" does not answer as Docker does`, {
    where: socket,
    hint: `give the container runtime's own socket as ${input("containerRuntimeEndpoint")}`,
    cause: parsed.error,
  });
}

async function call(
  socketPath: string,
  method: string,
  path: string,
  accepted: readonly number[],
  timeout: number,
  signal: AbortSignal | undefined,
): Promise<unknown> {
  using deadline = new Deadline(timeout, { signal });
  let response: IncomingMessage;
  let body: Buffer;
  try {
    response = await sendRequest({ url: new URL("http://docker"), socketPath, method, path }, deadline);
    body = await readBody(response, deadline, MOST_BYTES);
  } catch (error) {
    signal?.throwIfAborted();
    throw failure(socketPath, error);
  }
  const value = parsed(body.toString("utf8"));
  if (accepted.includes(response.statusCode ?? 0)) return value;
  const message = (value as { message?: unknown } | undefined)?.message ?? `HTTP status ${response.statusCode}`;
  throw new MendError("runtime-refused", `Docker refuses ${method} ${path.replace(/\?.*/, "")}: ${message}`, {
    where: socketPath,
    hint: "see Docker's log",
  });
}

function failure(socketPath: string, error: unknown): unknown {
  if (!(error instanceof Error) || error instanceof MendError) return error;
  if (error instanceof DeadlinePassed)
    return unreachable(socketPath, `it did not answer within ${error.milliseconds / 1000} s`);
  if (error instanceof AnswerTooLong) return unreachable(socketPath, "its answer has no end");
  const code = systemCode(error);
  if (code !== "EACCES" && code !== "EPERM") return unreachable(socketPath, code ?? error.message);
  return new MendError("permission-denied", `cannot talk to Docker at "${socketPath}"`, {
    where: socketPath,
    hint: "run it as root, such as with sudo",
    cause: error,
  });
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined; // most calls answer nothing; who needs an answer checks it
  }
}

function unreachable(socket: string, why: string): MendError {
  return new MendError("runtime-unreachable", `cannot reach Docker at "${socket}": ${why}`, {
    where: socket,
    hint: "check that it runs, with systemctl status docker",
  });
}
