/** etcd's v2 members API, which etcd 3.4 still serves with `--enable-v2`: HTTP and JSON. */
import { request as httpRequest } from "node:http";
import { request as httpsRequest } from "node:https";
import { z } from "zod";
import { MendError } from "../../errors/errors.ts";
import { transportError } from "../network/transport-error.ts";
import type { EtcdAccess } from "./etcd-connection.ts";

export interface V2Member {
  /** In hex. */
  readonly id: string;
  /** Empty for a member that was added and never started. */
  readonly name: string;
  readonly peerURLs: readonly string[];
  readonly clientURLs: readonly string[];
  readonly isLeader: boolean;
}

const urls = z
  .array(z.string())
  .nullish()
  .transform((list) => list ?? []);
const memberSchema = z.object({ id: z.string(), name: z.string().default(""), peerURLs: urls, clientURLs: urls });
const listSchema = z.object({ members: z.array(memberSchema) });
const MOST_BYTES = 16 * 1024 * 1024;

/** Tries one endpoint after the other. */
export async function listV2Members(access: EtcdAccess, signal?: AbortSignal): Promise<V2Member[]> {
  let failure: unknown;
  for (const endpoint of access.endpoints) {
    try {
      const { members } = listSchema.parse(await get(endpoint, "/v2/members", access, signal));
      const leader = memberSchema.parse(await get(endpoint, "/v2/members/leader", access, signal));
      return members.map((member) => ({ ...member, isLeader: member.id === leader.id }));
    } catch (error) {
      signal?.throwIfAborted();
      if (error instanceof z.ZodError) throw notV2(endpoint, "its answer is not a list of members", error);
      if (!(error instanceof MendError) || !["etcd-unreachable", "timeout", "tls-failed"].includes(error.code))
        throw error;
      failure = error;
    }
  }
  throw failure;
}

function get(endpoint: string, path: string, access: EtcdAccess, signal: AbortSignal | undefined): Promise<unknown> {
  const { user, tls, timeout } = access;
  const send = endpoint.startsWith("https:") ? httpsRequest : httpRequest;
  return new Promise((resolve, reject) => {
    const request = send(`${endpoint}${path}`, {
      ...tls,
      timeout,
      ...(signal === undefined ? {} : { signal }),
      ...(user === undefined ? {} : { auth: `${user.name}:${user.password}` }),
      headers: { accept: "application/json" },
    });
    request.on("timeout", () => {
      const text = `"${endpoint}" did not answer within ${timeout / 1000} s`;
      request.destroy(new MendError("timeout", text, { where: endpoint, hint: "check that etcd runs there" }));
    });
    request.on("error", (error) => reject(transportError(error, endpoint)));
    request.on("response", (response) => {
      let body = "";
      response.setEncoding("utf8");
      response.on("data", (chunk: string) => {
        body += chunk;
        if (body.length > MOST_BYTES) request.destroy(notV2(endpoint, "its answer is too long"));
      });
      response.on("error", (error) => reject(transportError(error, endpoint)));
      response.on("end", () => {
        const { statusCode = 0 } = response;
        if (statusCode === 401 || statusCode === 403) {
          reject(
            new MendError("etcd-unauthenticated", `"${endpoint}" does not accept the user`, {
              where: endpoint,
              hint: "pass --user NAME:PASSWORD",
            }),
          );
        } else if (statusCode !== 200) {
          reject(notV2(endpoint, `it answers ${path} with HTTP status ${statusCode}`));
        } else {
          try {
            resolve(JSON.parse(body));
          } catch (error) {
            reject(notV2(endpoint, "its answer is no JSON", error));
          }
        }
      });
    });
    request.end();
  });
}

function notV2(endpoint: string, text: string, cause?: unknown): MendError {
  return new MendError("unsupported", `"${endpoint}" does not serve etcd's v2 API: ${text}`, {
    where: endpoint,
    hint: "start etcd 3.4 with --enable-v2, or leave --api v2 out",
    cause,
  });
}
