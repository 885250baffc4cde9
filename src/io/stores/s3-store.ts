/**
 * S3, and what speaks it: AWS, MinIO, Ceph, R2, GCS by interoperability, rclone (s3-place.ts: addresses; s3-versions.ts:
 * buckets that keep versions). Requests are signed by `aws4fetch` (Signature Version 4).
 */
import { createHash } from "node:crypto";
import { AwsV4Signer } from "aws4fetch";
import { defined } from "../../errors/defined.ts";
import { decodePercent } from "../network/decode-percent.ts";
import { inParts } from "./in-parts.ts";
import { notAStore, requireList } from "./not-a-store.ts";
import { rangedReads } from "./ranged-reads.ts";
import { lockedUntil } from "./retention.ts";
import { createS3Credentials, type S3Credentials } from "./s3-credentials.ts";
import { placeOf, type S3Place, triesOf } from "./s3-place.ts";
import { s3Refusal } from "./s3-refusal.ts";
import { asStoredObject, s3Versions } from "./s3-versions.ts";
import type { Removal, Store, StoredObject } from "./store.ts";
import type { StoreOptions } from "./store-options.ts";
import { askStore, type StoreAnswer, type StoreRequest } from "./store-request.ts";
import { tagText, tagTexts } from "./xml-text.ts";

/** S3 takes parts of 5 MiB to 5 GiB, 10,000 of them. */
const PART_BYTES = 16 << 20;

export async function openS3Store(url: URL, options: StoreOptions): Promise<Store> {
  const place = placeOf(url, options.env);
  const { signal, env } = options;
  const credentials = createS3Credentials(env, Date.now, signal);
  const tries = triesOf(env);

  async function ask(
    method: string,
    key: string | undefined,
    query: Readonly<Record<string, string>> = {},
    headers: Readonly<Record<string, string>> = {},
    body?: Uint8Array,
  ): Promise<StoreAnswer> {
    const make = async (): Promise<StoreRequest> =>
      await signed(place, await credentials(), method, key, query, headers, body);
    return await askStore(make, { signal, where: place.url, tries });
  }
  const keyOf = (name: string): string => place.prefix + name;
  const refusal = (answer: StoreAnswer, name?: string): Error =>
    s3Refusal(answer, place.region, name === undefined ? place.url : `${place.url}/${name}`);
  const lockHeaders = (name: string): Record<string, string> => {
    const until = lockedUntil(place.retention, name, Date.now());
    if (until === undefined || place.retention === undefined) return {};
    return {
      "x-amz-object-lock-mode": place.retention.mode.toUpperCase(),
      "x-amz-object-lock-retain-until-date": until.toISOString(),
    };
  };

  async function listPage(query: Record<string, string>): Promise<string> {
    const answer = await ask("GET", undefined, { "list-type": "2", "encoding-type": "url", ...query });
    if (answer.status !== 200) throw refusal(answer);
    return requireList(answer, "ListBucketResult", place.url);
  }

  async function* pages(query: Record<string, string>): AsyncGenerator<string> {
    for (let token: string | undefined; ; ) {
      const xml = await listPage(token === undefined ? query : { ...query, "continuation-token": token });
      yield xml;
      if (tagText(xml, "IsTruncated") !== "true") return;
      const next = tagText(xml, "NextContinuationToken");
      if (next === undefined || next === token)
        throw notAStore(place.url, place.origin, "its list has more pages, and does not say which is next");
      token = next;
    }
  }

  const versions = s3Versions(async (query) => {
    const answer = await ask("GET", undefined, query);
    if (answer.status !== 200) throw refusal(answer);
    return answer;
  }, place);

  const reads = rangedReads(async (name, headers) => {
    const first = place.isByFirstVersion ? await versions.first(keyOf(name)) : undefined;
    return await ask("GET", keyOf(name), first === undefined ? {} : { versionId: first.id }, headers);
  }, refusal);

  async function create(name: string, bytes: Uint8Array): Promise<boolean> {
    const answer = await ask("PUT", keyOf(name), {}, { "if-none-match": "*", ...lockHeaders(name) }, bytes);
    if (answer.status === 200 || answer.status === 201) {
      requireTaken(answer, place);
      const id = answer.headers.get("x-amz-version-id");
      if (!place.isByFirstVersion || id === null) return true;
      // Not every store keeps the condition in a bucket that keeps versions, and then both writers are here.
      const first = await versions.first(keyOf(name));
      return first?.id === id || Buffer.from(await reads.read(name)).equals(bytes);
    }
    if (answer.status !== 412 && answer.status !== 409) throw refusal(answer, name);
    // An earlier try, or a request that something on the way repeated, may have succeeded without our learning of it.
    return Buffer.from(await reads.read(name)).equals(bytes);
  }

  async function upload(name: string, content: AsyncIterable<Uint8Array>): Promise<void> {
    const key = keyOf(name);
    let id: string | undefined;
    let size = 0;
    const etags: string[] = [];
    try {
      for await (const { part, isLast } of inParts(content, PART_BYTES)) {
        if (isLast && id === undefined) {
          const answer = await ask("PUT", key, {}, lockHeaders(name), part);
          if (answer.status !== 200) throw refusal(answer, name);
          requireTaken(answer, place);
          return;
        }
        if (id === undefined) {
          const begun = await ask("POST", key, { uploads: "" }, lockHeaders(name));
          id = begun.status === 200 ? tagText(begun.bytes.toString(), "UploadId") : undefined;
          if (id === undefined) throw refusal(begun, name);
        }
        const answer = await ask("PUT", key, { partNumber: String(etags.length + 1), uploadId: id }, {}, part);
        if (answer.status !== 200) throw refusal(answer, name);
        size += part.length;
        etags.push(requireTaken(answer, place));
      }
      const parts = etags.map(
        (etag, i) => `<Part><PartNumber>${i + 1}</PartNumber><ETag>${etag.replaceAll('"', "&quot;")}</ETag></Part>`,
      );
      const body = Buffer.from(`<CompleteMultipartUpload>${parts.join("")}</CompleteMultipartUpload>`);
      const done = await ask("POST", key, { uploadId: defined(id) }, { "content-type": "application/xml" }, body);
      // It may say 200 and then that it failed. One that is repeated fails because the first one succeeded: then the object is there.
      const failed = done.status !== 200 || !done.bytes.includes("<CompleteMultipartUploadResult");
      if (failed && !(await isThere(name, size))) throw refusal(done, name);
      id = undefined;
    } finally {
      if (id !== undefined) await ask("DELETE", key, { uploadId: id }).catch(() => {}); // its parts cost money; who may only add cannot
    }
  }

  async function isThere(name: string, size: number): Promise<boolean> {
    const xml = await listPage({ prefix: keyOf(name) });
    return [...readContents(xml, place.prefix)].some((found) => found.name === name && found.size === size);
  }

  async function removeVersion(name: string, id: string | undefined): Promise<Removal> {
    const answer = await ask("DELETE", keyOf(name), id === undefined ? {} : { versionId: id });
    const isGone = answer.status === 204 || answer.status === 200 || answer.status === 404;
    if (isGone) return id === undefined && answer.headers.get("x-amz-delete-marker") === "true" ? "hidden" : "removed";
    if (isLock(answer)) return "locked";
    throw refusal(answer, name);
  }

  return {
    url: place.url,
    exclusive: true,
    async *list(prefix, after) {
      if (place.isByFirstVersion) {
        for await (const found of versions.list(keyOf(prefix), after === undefined ? undefined : keyOf(after)))
          yield asStoredObject(found, place.prefix);
        return;
      }
      const query = { prefix: keyOf(prefix), ...(after === undefined ? {} : { "start-after": keyOf(after) }) };
      for await (const xml of pages(query)) for (const found of readContents(xml, place.prefix)) yield found;
    },
    async folders() {
      if (place.isByFirstVersion) return await versions.folders(place.prefix);
      const found: string[] = [];
      for await (const xml of pages({ prefix: place.prefix, delimiter: "/" })) {
        for (const common of tagTexts(xml, "CommonPrefixes")) {
          const name = decodePercent((tagText(common, "Prefix") ?? "").replaceAll("+", " ")).slice(
            place.prefix.length,
            -1,
          );
          if (name !== "") found.push(name);
        }
      }
      return found;
    },
    ...reads,
    create,
    upload,
    async remove(name) {
      if (!place.isByFirstVersion) return await removeVersion(name, undefined);
      for (const id of await versions.all(keyOf(name))) {
        if ((await removeVersion(name, id)) === "locked") return "locked";
      }
      return "removed";
    },
    close: async () => {},
  };
}

/** Whether a removal is refused by a retention or a legal hold, as AWS, Ceph and MinIO word it, and not for want of a right. */
function isLock(answer: StoreAnswer): boolean {
  const xml = answer.bytes.toString();
  const text = `${tagText(xml, "Code") ?? ""} ${tagText(xml, "Message") ?? ""}`;
  return /object ?lock|worm|legal hold|retention/i.test(text);
}

/** The ETag of what was stored. Every S3 answers with it; what answers 200 without one has stored nothing. */
function requireTaken(answer: StoreAnswer, place: S3Place): string {
  const etag = answer.headers.get("etag");
  if (etag === null)
    throw notAStore(place.url, place.origin, "it answers that it has stored an object, without the object's ETag");
  return etag;
}

async function signed(
  place: S3Place,
  credentials: S3Credentials,
  method: string,
  key: string | undefined,
  query: Readonly<Record<string, string>>,
  headers: Readonly<Record<string, string>>,
  body: Uint8Array | undefined,
): Promise<StoreRequest> {
  const path = key === undefined ? "/" : `/${key.split("/").map(encodeURIComponent).join("/")}`;
  const search = new URLSearchParams(query).toString().replaceAll("+", "%20");
  const url = `${place.base}${path}${search === "" ? "" : `?${search}`}`;
  const all = new Headers(headers);
  all.set(
    "x-amz-content-sha256",
    createHash("sha256")
      .update(body ?? "")
      .digest("hex"),
  );
  // Buckets with Object Lock ask for it.
  if (body !== undefined) all.set("content-md5", createHash("md5").update(body).digest("base64"));
  const { accessKeyId, secretAccessKey, sessionToken } = credentials;
  const signer = new AwsV4Signer({
    method,
    url,
    headers: all,
    accessKeyId,
    secretAccessKey: secretAccessKey.expose(),
    ...(sessionToken === undefined ? {} : { sessionToken: sessionToken.expose() }),
    service: "s3",
    region: place.region,
  });
  const made = await signer.sign();
  return { method, url: made.url.href, headers: made.headers, ...(body === undefined ? {} : { body }) };
}

function* readContents(xml: string, prefix: string): Generator<StoredObject> {
  for (const item of tagTexts(xml, "Contents")) {
    const key = decodePercent((tagText(item, "Key") ?? "").replaceAll("+", " "));
    if (!key.startsWith(prefix)) continue;
    const modified = Date.parse(tagText(item, "LastModified") ?? "");
    yield {
      name: key.slice(prefix.length),
      size: Number(tagText(item, "Size") ?? 0),
      modified: Number.isNaN(modified) ? 0 : modified,
    };
  }
}
