/** `diagnose --ui`: the page on a cluster or a node instead of a backup. It shows the last look, and looks again and again. */
import type { IncomingMessage, ServerResponse } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import { send } from "../../io/serve/send.ts";
import { isLoopback, listen } from "../../io/serve/two-protocol-server.ts";
import { createIdentity, isToken } from "./identity.ts";
import { answerPageFile, cookieToken, jsonAnswer } from "./serve-page.ts";

export interface DiagnosisPageOptions<T> {
  readonly host: string;
  readonly port: number;
  /** One look. What it throws is shown, and the next look continues. */
  readonly look: () => Promise<T>;
  /** Between two looks, in milliseconds. */
  readonly intervalMs: number;
  readonly now: () => number;
  readonly signal: AbortSignal;
  /** Called once with the address of the page, token included. */
  readonly onReady: (page: string) => Promise<void>;
}

/** Ends when the signal does. Returns the last look; undefined where none succeeded. */
export async function serveDiagnosis<T>(options: DiagnosisPageOptions<T>): Promise<T | undefined> {
  const { host, port, look, intervalMs, now, signal } = options;
  const { certificatePem, privateKeyPem, token } = await createIdentity(host, now());
  let last: T | undefined;
  let error: string | null = null;
  let looks = 0;
  const handle = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    request.resume();
    const url = new URL(`http://localhost${request.url?.startsWith("/") ? request.url : "/"}`);
    const file = answerPageFile(request, url, token);
    if (file !== undefined) return send(request, response, file);
    if (!isToken(cookieToken(request), token)) return send(request, response, jsonAnswer(401, { message: "no token" }));
    const intervals = { looks, intervalMs, error, result: last ?? null };
    if (url.pathname === "/ui/data/about") return send(request, response, jsonAnswer(200, { shows: "diagnosis" }));
    if (url.pathname === "/ui/data/diagnosis") return send(request, response, jsonAnswer(200, intervals));
    return send(request, response, jsonAnswer(404, { message: "there is no such page" }));
  };
  const listening = await listen({
    host,
    port,
    certificatePem,
    privateKeyPem,
    handle: (request, response) => void handle(request, response).catch(() => response.destroy()),
  });
  try {
    const address = `${host.includes(":") ? `[${host}]` : host}:${listening.port}`;
    await options.onReady(`${isLoopback(host) ? "http" : "https"}://${address}/ui/?token=${token}`);
    while (!signal.aborted) {
      try {
        last = await look();
        error = null;
      } catch (failure) {
        if (signal.aborted) break;
        error = failure instanceof Error ? failure.message : String(failure);
      }
      looks++;
      await sleep(intervalMs, undefined, { signal }).catch(() => {}); // only an abort ends it early
    }
    return last;
  } finally {
    await listening.close();
  }
}
