/**
 * Requests to Azure Blob Storage, authorized by a shared key, a shared access signature or a bearer token. The Shared
 * Key scheme: "Authorize with Shared Key" of the REST reference, the form for version 2009-09-19 and later.
 */
import { createHmac } from "node:crypto";
import type { AzureAccount } from "./azure-credentials.ts";
import type { StoreRequest } from "./store-request.ts";

/** Immutability policies need 2020-06-12 at least. */
const VERSION = "2021-12-02";

export interface AzureRequest {
  readonly method: string;
  /** Below the account: `/CONTAINER/NAME`, percent-encoded. */
  readonly path: string;
  readonly query: Readonly<Record<string, string>>;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: Uint8Array | undefined;
}

/** `now` in milliseconds since the epoch. */
export async function authorized(account: AzureAccount, request: AzureRequest, now: number): Promise<StoreRequest> {
  const { method, body } = request;
  const authorization = await account.authorization();
  const headers = new Headers({
    ...request.headers,
    "x-ms-version": VERSION,
    "x-ms-date": new Date(now).toUTCString(),
  });
  const url = new URL(`${account.endpoint}${request.path}`);
  for (const [name, value] of Object.entries(request.query)) url.searchParams.set(name, value);
  if (authorization.kind === "sas") {
    for (const [name, value] of new URLSearchParams(authorization.token.expose())) url.searchParams.set(name, value);
  } else if (authorization.kind === "bearer") {
    headers.set("authorization", `Bearer ${authorization.token.expose()}`);
  } else {
    const text = stringToSign(account.name, method, url, headers, body?.length ?? 0);
    const key = Buffer.from(authorization.key.expose(), "base64");
    const signature = createHmac("sha256", key).update(text).digest("base64");
    headers.set("authorization", `SharedKey ${account.name}:${signature}`);
  }
  return { method, url: url.href, headers, ...(body === undefined ? {} : { body }) };
}

/** Headers in the order in which they are signed. */
const SIGNED = [
  "content-encoding",
  "content-language",
  "content-length",
  "content-md5",
  "content-type",
  "date",
  "if-modified-since",
  "if-match",
  "if-none-match",
  "if-unmodified-since",
  "range",
] as const;

function stringToSign(account: string, method: string, url: URL, headers: Headers, length: number): string {
  const plain = SIGNED.map((name) =>
    name === "content-length" ? (length === 0 ? "" : String(length)) : (headers.get(name) ?? ""),
  );
  const own = [...headers].filter(([name]) => name.startsWith("x-ms-")).map(([name, value]) => `${name}:${value}`);
  const query = [...url.searchParams].map(([name, value]) => `\n${name.toLowerCase()}:${value}`);
  const resource = `/${account}${url.pathname}${query.sort().join("")}`;
  return [method, ...plain, ...own.sort(), resource].join("\n");
}
