/** Watches over WebSockets, as browsers and Headlamp ask for them: the same events as over HTTP, one in a message. */
import type { IncomingMessage } from "node:http";
import { acceptSocket, isWebSocket, protocolToken, refuseSocket } from "../../io/serve/event-socket.ts";
import type { Upgrade } from "../../io/serve/two-protocol-server.ts";
import { type ApiAnswer, answerRequest, failureAnswer } from "../../kubeapi/answer.ts";
import { isSet } from "../../kubeapi/query-flag.ts";
import { ApiFailure } from "../../kubeapi/status.ts";
import {
  afterRecorded,
  bearerToken,
  type HandlerOptions,
  internalFailure,
  momentOf,
  readUrl,
  sentAnswer,
} from "./handle-request.ts";
import { isToken } from "./identity.ts";

export function createUpgrade(options: HandlerOptions): Upgrade {
  return {
    isWanted: (request) => isWebSocket(request) && isWatch(readUrl(request)),
    take(request, socket, head) {
      socket.on("error", () => socket.destroy());
      const answer = answerSocket(request, options);
      const { watch } = answer;
      if (watch === undefined) return refuseSocket(socket, sentAnswer(answer));
      acceptSocket(request, socket, head, (opened) => {
        let stop: (() => void) | undefined;
        let isGone = false;
        opened.onClose(() => {
          isGone = true;
          stop?.();
        });
        const sent = opened.send(answer.body).then(() => {
          if (isGone) return;
          stop = afterRecorded(watch, { send: (part) => void opened.send([part]), end: () => opened.close() });
        });
        sent.catch(() => opened.close()); // the file cannot be read: as an HTTP stream, it ends
      });
    },
  };
}

/** Other requests for a socket, such as `kubectl exec`, are answered as if they had not asked for one. */
function isWatch(url: URL | undefined): boolean {
  return url !== undefined && (isSet(url.searchParams, "watch") || url.pathname.includes("/watch/"));
}

/** A cookie does not count here: browsers let any site open sockets. */
function answerSocket(request: IncomingMessage, options: HandlerOptions): ApiAnswer {
  const { accept, host = "" } = request.headers;
  const url = readUrl(request);
  try {
    if (url === undefined) throw new ApiFailure("BadRequest", "the path is not well-formed");
    if (!isToken(bearerToken(request) ?? protocolToken(request), options.token))
      throw new ApiFailure("Unauthorized", "Unauthorized");
    const { revision, rest } = momentOf(url.pathname, options);
    const asked = { method: "GET", path: rest, query: url.searchParams, accept, host, body: undefined };
    return answerRequest(asked, options.worlds.at(revision));
  } catch (error) {
    return error instanceof ApiFailure ? failureAnswer(error, accept) : internalFailure(error, accept);
  }
}
