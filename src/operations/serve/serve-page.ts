/** The page: its files, the cookie that stands for the token, and its data. */
import type { IncomingMessage } from "node:http";
import { loadPageFile, PAGE_FILES } from "../../io/serve/page-files.ts";
import type { Sent } from "../../io/serve/send.ts";
import type { JsonValue } from "../../kube/object.ts";
import { failureAnswer } from "../../kubeapi/answer.ts";
import { resolveMoment } from "../../kubeapi/moment.ts";
import { answerPage } from "../../kubeapi/page/answer-page.ts";
import { ApiFailure } from "../../kubeapi/status.ts";
import { parseJson } from "../../storage/json-parse.ts";
import { printJson } from "../../storage/json-text.ts";
import { isToken } from "./identity.ts";
import type { Worlds } from "./worlds.ts";

/** Cookies ignore ports: each server of a machine has a name of its own for its. */
const cookieName = (request: IncomingMessage): string => `kubemend-${request.socket.localPort}`;

/** Nothing but this server is asked for anything, and nothing in a snapshot can become code or be framed. */
const SAFE_HEADERS: Readonly<Record<string, string>> = {
  "content-security-policy":
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; " +
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  "x-content-type-options": "nosniff",
  "referrer-policy": "no-referrer",
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-resource-policy": "same-origin",
  "cache-control": "no-store",
};

/** The token in the cookie of a request, if there is one. */
export function cookieToken(request: IncomingMessage): string | undefined {
  const wanted = cookieName(request);
  for (const part of (request.headers.cookie ?? "").split(";")) {
    const [name, value] = part.trim().split("=", 2);
    if (name === wanted) return value;
  }
  return undefined;
}

/**
 * The answer to a request for the page itself, which needs no token: it holds nothing of the snapshot. The token of the
 * first address becomes a cookie that scripts cannot read and other sites cannot send, and leaves the address.
 */
export function answerPageFile(request: IncomingMessage, url: URL, token: string): Sent | undefined {
  const { pathname } = url;
  if (pathname === "/ui") return redirect("/ui/");
  if (!pathname.startsWith("/ui/") || pathname.startsWith("/ui/data/")) return undefined;
  const given = url.searchParams.get("token");
  if (pathname === "/ui/" && given !== null) {
    if (!isToken(given, token))
      return plain(401, "This address is of another run of kubemend serve. Open the one that it printed last.\n");
    const secure = "encrypted" in request.socket ? "; Secure" : "";
    const cookie = `${cookieName(request)}=${token}; Path=/; HttpOnly; SameSite=Strict${secure}`;
    return { ...redirect("/ui/"), headers: { ...SAFE_HEADERS, location: "/ui/", "set-cookie": cookie } };
  }
  const name = PAGE_FILES.find((each) => pathname === `/ui/${each === "index.html" ? "" : each}`);
  if (name === undefined) return plain(404, "There is no such file.\n");
  const file = loadPageFile(name);
  if (file === undefined) return plain(404, "The page is not built: run npm run build.\n");
  return { status: 200, headers: { ...SAFE_HEADERS, "content-type": file.type }, body: [file.bytes] };
}

function redirect(location: string): Sent {
  return { status: 303, headers: { ...SAFE_HEADERS, location }, body: [] };
}

function plain(status: number, text: string): Sent {
  return { status, headers: { ...SAFE_HEADERS, "content-type": "text/plain; charset=utf-8" }, body: [text] };
}

/** An answer of the page's own. */
export function jsonAnswer(status: number, body: unknown): Sent {
  const headers = { ...SAFE_HEADERS, "content-type": "application/json" };
  return { status, headers, body: [printJson(body as JsonValue)] };
}

/** A search answers after this long, complete or not. Milliseconds. */
const SEARCH_MS = 120;

/** The answer to a question of the page, at a moment. */
export function answerPageData(path: string, query: URLSearchParams, worlds: Worlds, revision: number): Sent {
  const world = worlds.at(revision);
  try {
    const body = answerPage(path, query, {
      world,
      prefix: worlds.prefix,
      clock: () => worlds.clock(),
      names: () => worlds.names(),
      contents: () => worlds.contents(),
      prepareSearch: () => worlds.prepareSearch(),
      backup: worlds.backup,
      moment: (text) => resolveMoment(text, worlds.history, () => worlds.clock()),
      budget: () => {
        const end = performance.now() + SEARCH_MS;
        return () => performance.now() < end;
      },
    });
    // Findings and steps name inputs of commands; objects of the backup are shown as they are.
    const shown = path === "overview" ? parseJson(worlds.inUserTerms(printJson(body)), "int64") : body;
    return jsonAnswer(200, shown);
  } catch (error) {
    if (!(error instanceof ApiFailure)) throw error;
    const { status, contentType, body } = failureAnswer(error, undefined);
    return { status, headers: { ...SAFE_HEADERS, "content-type": contentType }, body };
  }
}
