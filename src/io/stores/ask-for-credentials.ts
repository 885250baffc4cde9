/** One question to a service that gives credentials: a token endpoint, or the metadata service of a machine. */
import { MendError } from "../../errors/errors.ts";

const TIMEOUT_MS = 5000;

export interface CredentialsAnswer {
  readonly ok: boolean;
  readonly status: number;
  readonly text: string;
}

/** Throws `store-unreachable` where nothing answers in time. */
export async function askForCredentials(url: string, init: RequestInit): Promise<CredentialsAnswer> {
  try {
    const response = await fetch(url, { ...init, signal: AbortSignal.timeout(TIMEOUT_MS) });
    return { ok: response.ok, status: response.status, text: await response.text() };
  } catch (error) {
    throw new MendError("store-unreachable", `"${url}" gives no credentials: it cannot be reached`, {
      where: url,
      cause: error,
    });
  }
}
