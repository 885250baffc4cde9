/**
 * S3, and what speaks it: AWS, MinIO, Ceph, R2, GCS by interoperability, rclone. `s3://BUCKET/PREFIX`; the endpoint and
 * the region come from the address (`?endpoint=…&region=…`), else from AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL,
 * AWS_REGION, AWS_DEFAULT_REGION and the profile. Requests are signed by `aws4fetch` (Signature Version 4).
 */

import { createHash } from "node:crypto";
import { join } from "node:path";
import { AwsV4Signer } from "aws4fetch";
import { defined } from "../../errors/defined.ts";
import { type ErrorCode, MendError } from "../../errors/errors.ts";
import { withoutLogin } from "../../errors/secret.ts";
import { decodePercent } from "../network/decode-percent.ts";
import { inParts } from "./in-parts.ts";
import { checkEndpoint, notAStore, requireList } from "./not-a-store.ts";
import { rangedReads } from "./ranged-reads.ts";
import { refusalOf } from "./refusal.ts";
import { lockedUntil, type Retention, retentionOf } from "./retention.ts";
import { createS3Credentials, readSection, type S3Credentials } from "./s3-credentials.ts";
import type { Store, StoredObject } from "./store.ts";
import type { StoreOptions } from "./store-options.ts";
import { askStore, type StoreAnswer, type StoreRequest } from "./store-request.ts";
import { tagText, tagTexts } from "./xml-text.ts";

/** S3 takes parts of 5 MiB to 5 GiB, 10,000 of them. */
const PART_BYTES = 16 << 20;

interface Place {
  /** Without a slash at its end; with the bucket where it is part of the path. */
  readonly base: string;
  readonly bucket: string;
  readonly prefix: string;
  readonly region: string;
  readonly url: string;
  readonly retention: Retention | undefined;
}

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
    if (answer.status !== 200) throw refusal(answer, place, place.url);
    return requireList(answer.bytes.toString(), "ListBucketResult", place.url);
  }

  async function* pages(query: Record<string, string>): AsyncGenerator<string> {
    for (let token: string | undefined; ; ) {
      const xml = await listPage(token === undefined ? query : { ...query, "continuation-token": token });
      yield xml;
      if (tagText(xml, "IsTruncated") !== "true") return;
      const next = tagText(xml, "NextContinuationToken");
      if (next === undefined || next === token)
        throw notAStore(place.url, "its list has more pages, and does not say which is next");
      token = next;
    }
  }

  const reads = rangedReads(
    (name, headers) => ask("GET", keyOf(name), {}, headers),
    (answer, name) => refusal(answer, place, `${place.url}/${name}`),
  );

  async function create(name: string, bytes: Uint8Array): Promise<boolean> {
    const answer = await ask("PUT", keyOf(name), {}, { "if-none-match": "*", ...lockHeaders(name) }, bytes);
    if (answer.status === 200 || answer.status === 201) {
      requireTaken(answer, place);
      return true;
    }
    if (answer.status !== 412 && answer.status !== 409) throw refusal(answer, place, `${place.url}/${name}`);
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
          if (answer.status !== 200) throw refusal(answer, place, `${place.url}/${name}`);
          requireTaken(answer, place);
          return;
        }
        if (id === undefined) {
          const begun = await ask("POST", key, { uploads: "" }, lockHeaders(name));
          id = begun.status === 200 ? tagText(begun.bytes.toString(), "UploadId") : undefined;
          if (id === undefined) throw refusal(begun, place, `${place.url}/${name}`);
        }
        const answer = await ask("PUT", key, { partNumber: String(etags.length + 1), uploadId: id }, {}, part);
        if (answer.status !== 200) throw refusal(answer, place, `${place.url}/${name}`);
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
      if (failed && !(await isThere(name, size))) throw refusal(done, place, `${place.url}/${name}`);
      id = undefined;
    } finally {
      if (id !== undefined) await ask("DELETE", key, { uploadId: id }).catch(() => {}); // its parts cost money; who may only add cannot
    }
  }

  async function isThere(name: string, size: number): Promise<boolean> {
    const xml = await listPage({ prefix: keyOf(name) });
    return [...readContents(xml, place.prefix)].some((found) => found.name === name && found.size === size);
  }

  return {
    url: place.url,
    exclusive: true,
    async *list(prefix, after) {
      const query = { prefix: keyOf(prefix), ...(after === undefined ? {} : { "start-after": keyOf(after) }) };
      for await (const xml of pages(query)) for (const found of readContents(xml, place.prefix)) yield found;
    },
    async folders() {
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
      const answer = await ask("DELETE", keyOf(name));
      if (answer.status !== 204 && answer.status !== 200 && answer.status !== 404)
        throw refusal(answer, place, `${place.url}/${name}`);
    },
    close: async () => {},
  };
}

function placeOf(url: URL, env: StoreOptions["env"]): Place {
  const bucket = url.hostname || url.host;
  if (bucket === "") {
    throw new MendError("usage", `"${withoutLogin(url.href)}" names no bucket`, {
      hint: "give an address such as s3://BUCKET/PREFIX",
    });
  }
  const path = decodePercent(url.pathname).replace(/^\/+|\/+$/g, "");
  const profile = env.AWS_PROFILE || "default";
  const config = readSection(
    env.AWS_CONFIG_FILE || join(env.HOME ?? "/root", ".aws/config"),
    profile === "default" ? profile : `profile ${profile}`,
  );
  const region =
    url.searchParams.get("region") || env.AWS_REGION || env.AWS_DEFAULT_REGION || config?.get("region") || "us-east-1";
  const endpoint =
    url.searchParams.get("endpoint") || env.AWS_ENDPOINT_URL_S3 || env.AWS_ENDPOINT_URL || config?.get("endpoint_url");
  // Names with dots have no certificate below AWS's; other servers rarely have a name for each bucket.
  const isPath = endpoint !== undefined || bucket.includes(".");
  if (endpoint !== undefined) checkEndpoint(endpoint);
  const host = endpoint?.replace(/\/+$/, "") ?? `https://${isPath ? "" : `${bucket}.`}s3.${region}.amazonaws.com`;
  return {
    base: isPath ? `${host}/${bucket}` : host,
    bucket,
    prefix: path === "" ? "" : `${path}/`,
    region,
    retention: retentionOf(url),
    url: `s3://${bucket}${path === "" ? "" : `/${path}`}`,
  };
}

/** As AWS's own tools have it: the number of tries in all. */
function triesOf(env: StoreOptions["env"]): number | undefined {
  const tries = Number(env.AWS_MAX_ATTEMPTS || Number.NaN);
  return Number.isSafeInteger(tries) && tries > 0 ? tries : undefined;
}

/** The ETag of what was stored. Every S3 answers with it; what answers 200 without one has stored nothing. */
function requireTaken(answer: StoreAnswer, place: Place): string {
  const etag = answer.headers.get("etag");
  if (etag === null) throw notAStore(place.url, "it answers that it has stored an object, without the object's ETag");
  return etag;
}

async function signed(
  place: Place,
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

/** What is wrong, by S3's codes. */
const MEANING: Readonly<Record<string, readonly [ErrorCode, string, string]>> = {
  NoSuchKey: ["not-found", "there is no such object", "check the address"],
  NoSuchBucket: ["store-refused", "there is no such bucket", "check its name, or make it"],
  InvalidAccessKeyId: [
    "store-refused",
    "it does not know the access key",
    "check AWS_ACCESS_KEY_ID, and that the endpoint is the right one",
  ],
  SignatureDoesNotMatch: [
    "store-refused",
    "the secret key is not that of the access key",
    "check AWS_SECRET_ACCESS_KEY",
  ],
  ExpiredToken: ["store-refused", "the credentials have expired", "renew them"],
  InvalidToken: ["store-refused", "the session token is not valid", "check AWS_SESSION_TOKEN"],
  RequestTimeTooSkewed: [
    "store-refused",
    "the clock of this machine is wrong",
    "set the clock, such as with timedatectl",
  ],
  AccessDenied: [
    "permission-denied",
    "the credentials do not allow this",
    "an agent needs s3:PutObject, s3:GetObject and s3:ListBucket; prune also s3:DeleteObject",
  ],
  PermanentRedirect: [
    "store-refused",
    "the bucket is in another region",
    "set AWS_REGION, or pass ?region= in the address",
  ],
  AuthorizationHeaderMalformed: [
    "store-refused",
    "the bucket is in another region",
    "set AWS_REGION, or pass ?region= in the address",
  ],
  ObjectLockConfigurationNotFoundError: [
    "unsupported",
    "the bucket has no Object Lock, so objects cannot be locked",
    "create a bucket with Object Lock enabled, or remove lock= from the address",
  ],
  QuotaExceeded: ["no-space", "its quota is used up", "raise the quota, or prune"],
  XMinioStorageFull: ["no-space", "it has no space left", "free some space, or prune"],
  EntityTooLarge: ["store-refused", "an object is larger than it takes", "check the store's limits"],
  NotImplemented: [
    "unsupported",
    "it does not know the request",
    "use a store that has conditional writes (If-None-Match)",
  ],
  SlowDown: ["store-unreachable", "it asks to slow down", "it is tried again by itself"],
};

function refusal(answer: StoreAnswer, place: Place, where: string): MendError {
  const xml = answer.bytes.toString();
  const code =
    tagText(xml, "Code") ??
    (answer.status === 404
      ? "NoSuchKey"
      : answer.status === 403
        ? "AccessDenied"
        : answer.status === 301
          ? "PermanentRedirect"
          : "");
  const message = tagText(xml, "Message");
  const region = answer.headers.get("x-amz-bucket-region");
  const known = MEANING[code];
  if (known !== undefined) {
    const [mend, text, hint] = known;
    const better =
      region !== null && /region/.test(text) ? `the bucket is in ${region}, and ${place.region} was asked` : text;
    return new MendError(mend, `"${where}": ${better}`, { where, hint });
  }
  return refusalOf(answer, where, message ?? code);
}
