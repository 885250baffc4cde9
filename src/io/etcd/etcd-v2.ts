/** etcd's v2 members API, which etcd 3.4 still serves with `--enable-v2`: HTTP and JSON. */

import { z } from "zod";
import { MendError } from "../../errors/errors.ts";
import { input } from "../../errors/input.ts";
import { Deadline, DeadlinePassed } from "../network/deadline.ts";
import { AnswerTooLong, readBody, sendRequest } from "../network/http-exchange.ts";
import { transportError } from "../network/transport-error.ts";
import { type EtcdAccess, mayLogIn } from "./etcd-connection.ts";

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

async function get(
  endpoint: string,
  path: string,
  access: EtcdAccess,
  signal: AbortSignal | undefined,
): Promise<unknown> {
  const { user, tls, timeout } = access;
  using deadline = new Deadline(timeout, { signal });
  const login = user && mayLogIn(user, endpoint) ? { auth: `${user.name}:${user.password.expose()}` } : {};
  try {
    const options = { ...tls, ...login };
    const headers = { accept: "application/json" };
    const response = await sendRequest({ url: new URL(`${endpoint}${path}`), headers, options }, deadline);
    const body = await readBody(response, deadline, MOST_BYTES);
    const { statusCode = 0 } = response;
    if (statusCode === 401 || statusCode === 403) {
      throw new MendError("etcd-unauthenticated", `"${endpoint}" does not accept the user`, {
        where: endpoint,
        hint: `pass ${input("user")} NAME:PASSWORD`,
      });
    }
    if (statusCode !== 200) throw notV2(endpoint, `it answers ${path} with HTTP status ${statusCode}`);
    return JSON.parse(body.toString("utf8"));
  } catch (error) {
    signal?.throwIfAborted();
    if (error instanceof AnswerTooLong) throw notV2(endpoint, "its answer is too long", error);
    if (error instanceof SyntaxError) throw notV2(endpoint, "its answer is no JSON", error);
    if (error instanceof DeadlinePassed) {
      const text = `"${endpoint}" did not answer within ${timeout / 1000} s`;
      throw new MendError("timeout", text, { where: endpoint, hint: "check that etcd runs there" });
    }
    throw transportError(error, endpoint);
  }
}

function notV2(endpoint: string, text: string, cause?: unknown): MendError {
  return new MendError("unsupported", `"${endpoint}" does not serve etcd's v2 API: ${text}`, {
    where: endpoint,
    hint: `start etcd 3.4 with --enable-v2, or leave ${input("api")} v2 out`,
    cause,
  });
}
