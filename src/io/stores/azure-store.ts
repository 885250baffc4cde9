/**
 * Azure Blob Storage: `azblob://CONTAINER/PREFIX`; the account and its endpoint come from the address
 * (`?account=NAME&endpoint=…`), else from where Azure's tools look (azure-credentials.ts). The requests are those of
 * the REST reference ("Put Blob", "Put Block List", "Get Blob", "List Blobs", "Delete Blob").
 */
import { createHash } from "node:crypto";
import { MendError } from "../../errors/errors.ts";
import { withoutLogin } from "../../errors/secret.ts";
import { decodePercent } from "../network/decode-percent.ts";
import { findAzureAccount } from "./azure-credentials.ts";
import { azureRefusal } from "./azure-refusal.ts";
import { authorized } from "./azure-sign.ts";
import { inParts } from "./in-parts.ts";
import { notAStore, requireList } from "./not-a-store.ts";
import { rangedReads } from "./ranged-reads.ts";
import { lockedUntil, retentionOf } from "./retention.ts";
import type { Store, StoredObject } from "./store.ts";
import type { StoreOptions } from "./store-options.ts";
import { askStore, type StoreAnswer } from "./store-request.ts";
import { tagText, tagTexts } from "./xml-text.ts";

/** A blob has 50,000 blocks at most. */
const BLOCK_BYTES = 16 << 20;

export async function openAzureStore(url: URL, { env, signal }: StoreOptions): Promise<Store> {
  const container = url.hostname || url.host;
  if (container === "") {
    throw new MendError("usage", `"${withoutLogin(url.href)}" names no container`, {
      hint: "give an address such as azblob://CONTAINER/PREFIX?account=NAME",
    });
  }
  const folder = decodePercent(url.pathname).replace(/^\/+|\/+$/g, "");
  const prefix = folder === "" ? "" : `${folder}/`;
  const shown = `azblob://${container}${folder === "" ? "" : `/${folder}`}`;
  if (url.searchParams.has("versions")) {
    throw new MendError("usage", `"${shown}": versions= is for S3 only`, {
      where: shown,
      hint: "on Azure the current version of each blob is read: docs/back-up-continuously.md says how to bring back an earlier one",
    });
  }
  const given = {
    account: url.searchParams.get("account") ?? undefined,
    endpoint: url.searchParams.get("endpoint") ?? undefined,
  };
  const account = findAzureAccount(env, given, Date.now, signal);
  const retention = retentionOf(url);

  async function ask(
    method: string,
    name: string | undefined,
    query: Readonly<Record<string, string>> = {},
    headers: Readonly<Record<string, string>> = {},
    body?: Uint8Array,
  ): Promise<StoreAnswer> {
    const key = name === undefined ? "" : `/${(prefix + name).split("/").map(encodeURIComponent).join("/")}`;
    const request = { method, path: `/${container}${key}`, query, headers, body };
    return await askStore(() => authorized(account, request, Date.now()), { signal, where: shown });
  }
  const refusal = (answer: StoreAnswer, name?: string): MendError =>
    azureRefusal(answer, name === undefined ? shown : `${shown}/${name}`, account.name);

  async function* pages(query: Readonly<Record<string, string>>): AsyncGenerator<string> {
    for (let marker = ""; ; ) {
      const paged = { restype: "container", comp: "list", ...query, ...(marker === "" ? {} : { marker }) };
      const answer = await ask("GET", undefined, paged);
      if (answer.status !== 200) throw refusal(answer);
      const xml = requireList(answer, "EnumerationResults", shown);
      yield xml;
      const next = tagText(xml, "NextMarker") ?? "";
      if (next === "") return;
      if (next === marker) throw notAStore(shown, answer.origin, "the next page of its list is the same page again");
      marker = next;
    }
  }

  const reads = rangedReads((name, headers) => ask("GET", name, {}, headers), refusal);

  const lockHeaders = (name: string): Record<string, string> => {
    const until = lockedUntil(retention, name, Date.now());
    if (until === undefined || retention === undefined) return {};
    return {
      "x-ms-immutability-policy-until-date": until.toUTCString(),
      // An unlocked policy can be shortened or removed by who has that right, a locked one only be extended.
      "x-ms-immutability-policy-mode": retention.mode === "governance" ? "unlocked" : "locked",
    };
  };

  async function create(name: string, bytes: Uint8Array): Promise<boolean> {
    const headers = {
      "x-ms-blob-type": "BlockBlob",
      "if-none-match": "*",
      "content-md5": createHash("md5").update(bytes).digest("base64"),
      ...lockHeaders(name),
    };
    const answer = await ask("PUT", name, {}, headers, bytes);
    if (answer.status === 201) return true;
    // Who may create but not write is refused for want of the right where the name is taken.
    const maySayTaken = answer.status === 412 || answer.status === 403 || (answer.status === 409 && isThere(answer));
    if (!maySayTaken) throw refusal(answer, name);
    // An earlier try, or a request that something on the way repeated, may have succeeded without our learning of it.
    try {
      return Buffer.from(await reads.read(name)).equals(bytes);
    } catch (error) {
      throw answer.status === 403 ? refusal(answer, name) : error;
    }
  }

  async function upload(name: string, content: AsyncIterable<Uint8Array>): Promise<void> {
    const ids: string[] = [];
    const hash = createHash("md5");
    for await (const { part } of inParts(content, BLOCK_BYTES)) {
      const id = Buffer.from(String(ids.length).padStart(8, "0")).toString("base64");
      const md5 = createHash("md5").update(part).digest("base64");
      const answer = await ask("PUT", name, { comp: "block", blockid: id }, { "content-md5": md5 }, part);
      if (answer.status !== 201) throw refusal(answer, name);
      hash.update(part);
      ids.push(id);
    }
    const list = `<BlockList>${ids.map((id) => `<Latest>${id}</Latest>`).join("")}</BlockList>`;
    const headers = { "if-none-match": "*", "x-ms-blob-content-md5": hash.digest("base64"), ...lockHeaders(name) };
    const done = await ask("PUT", name, { comp: "blocklist" }, headers, Buffer.from(list));
    if (done.status === 201) return;
    // A list that is sent twice fails because the first one succeeded: the name is one that nobody else makes.
    if (!(done.wasRepeated || isThere(done)) || !(await isWhole(name, headers["x-ms-blob-content-md5"])))
      throw refusal(done, name);
  }

  async function isWhole(name: string, md5: string): Promise<boolean> {
    const answer = await ask("HEAD", name);
    return answer.status === 200 && answer.headers.get("content-md5") === md5;
  }

  return {
    url: shown,
    exclusive: true,
    async *list(names, after = "") {
      for await (const xml of pages({ prefix: prefix + names })) {
        for (const found of readBlobs(xml, prefix)) if (found.name > after) yield found;
      }
    },
    async folders() {
      const found: string[] = [];
      for await (const xml of pages({ ...(prefix === "" ? {} : { prefix }), delimiter: "/" })) {
        for (const each of tagTexts(xml, "BlobPrefix")) {
          const name = nameIn(each).slice(prefix.length).replace(/\/$/, "");
          if (name !== "") found.push(name);
        }
      }
      return found;
    },
    ...reads,
    create,
    upload,
    async remove(name) {
      const answer = await ask("DELETE", name);
      if (answer.status === 202 || answer.status === 200) return "removed";
      if (isLock(answer)) return "locked";
      const error = refusal(answer, name);
      if (error.code !== "not-found") throw error;
      return "removed";
    },
    close: async () => {},
  };
}

/** Whether a removal is refused by an immutability policy or a legal hold. */
function isLock(answer: StoreAnswer): boolean {
  return /^BlobImmutableDueTo/.test(codeOf(answer) ?? "");
}

function codeOf(answer: StoreAnswer): string | undefined {
  return answer.headers.get("x-ms-error-code") ?? tagText(answer.bytes.toString(), "Code");
}

/** Whether it is refused because a blob of that name exists, and not for another conflict. */
function isThere(answer: StoreAnswer): boolean {
  const code = codeOf(answer);
  return code === "BlobAlreadyExists" || code === "UnauthorizedBlobOverwrite" || code === "BlobImmutableDueToPolicy";
}

/** A name that XML cannot hold is percent-encoded, and says so. */
function nameIn(xml: string): string {
  const name = tagText(xml, "Name") ?? "";
  return /<Name\s+Encoded="true"/.test(xml) ? decodePercent(name) : name;
}

function* readBlobs(xml: string, prefix: string): Generator<StoredObject> {
  for (const item of tagTexts(xml, "Blob")) {
    const key = nameIn(item);
    if (!key.startsWith(prefix)) continue;
    const modified = Date.parse(tagText(item, "Last-Modified") ?? "");
    yield {
      name: key.slice(prefix.length),
      size: Number(tagText(item, "Content-Length") ?? 0),
      modified: Number.isNaN(modified) ? 0 : modified,
    };
  }
}
