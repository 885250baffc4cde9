/** One question to a service that gives credentials: a token endpoint, or the metadata service of a machine. */
import { MendError } from "../../errors/errors.ts";
import { withoutLogins } from "../../errors/secret.ts";

const TIMEOUT_MS = 5000;
const LARGEST_ANSWER = 1 << 20;

export interface CredentialsAnswer {
  readonly ok: boolean;
  readonly status: number;
  readonly text: string;
}

/**
 * Throws `store-unreachable` where nothing answers in time. A redirect is an answer like any other: what goes with the
 * request are secrets.
 */
export async function askForCredentials(
  url: string,
  init: RequestInit,
  signal: AbortSignal | undefined,
): Promise<CredentialsAnswer> {
  const deadline = AbortSignal.timeout(TIMEOUT_MS);
  try {
    const response = await fetch(url, {
      ...init,
      redirect: "manual",
      signal: signal === undefined ? deadline : AbortSignal.any([signal, deadline]),
    });
    const parts: Uint8Array[] = [];
    let size = 0;
    for await (const part of response.body ?? []) {
      size += part.length;
      if (size > LARGEST_ANSWER) throw new Error("the answer is too large");
      parts.push(part);
    }
    return { ok: response.ok, status: response.status, text: Buffer.concat(parts).toString() };
  } catch (error) {
    signal?.throwIfAborted();
    const where = withoutLogins(url);
    throw new MendError("store-unreachable", `"${where}" gives no credentials: it cannot be reached`, {
      where,
      cause: error,
    });
  }
}
