/**
 * Where the objects of an address `s3://BUCKET/PREFIX` lie. The endpoint and the region come from the address
 * (`?endpoint=…&region=…`), else from AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL, AWS_REGION, AWS_DEFAULT_REGION and the profile.
 */
import { join } from "node:path";
import { MendError } from "../../errors/errors.ts";
import { withoutLogin } from "../../errors/secret.ts";
import { decodePercent } from "../network/decode-percent.ts";
import { checkEndpoint } from "./not-a-store.ts";
import { type Retention, retentionOf } from "./retention.ts";
import { readSection } from "./s3-credentials.ts";
import type { StoreOptions } from "./store-options.ts";

export interface S3Place {
  /** Without a slash at its end; with the bucket where it is part of the path. */
  readonly base: string;
  /** Scheme, host and port of the endpoint. */
  readonly origin: string;
  readonly bucket: string;
  readonly prefix: string;
  readonly region: string;
  readonly url: string;
  readonly retention: Retention | undefined;
  /** Whether an object is what its name held first, whatever was written over it or hides it since. */
  readonly isByFirstVersion: boolean;
}

export function placeOf(url: URL, env: StoreOptions["env"]): S3Place {
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
  if (!URL.canParse(host)) {
    throw new MendError("usage", `"${withoutLogin(url.href)}" in region "${region}" makes no address of S3`, {
      hint: "give an address such as s3://BUCKET/PREFIX?region=REGION; names have letters, digits and hyphens",
    });
  }
  return {
    base: isPath ? `${host}/${bucket}` : host,
    origin: new URL(host).origin,
    bucket,
    prefix: path === "" ? "" : `${path}/`,
    region,
    retention: retentionOf(url),
    isByFirstVersion: readsFirstVersions(url),
    url: `s3://${bucket}${path === "" ? "" : `/${path}`}`,
  };
}

/** As AWS's own tools have it: the number of tries in all. */
export function triesOf(env: StoreOptions["env"]): number | undefined {
  const tries = Number(env.AWS_MAX_ATTEMPTS || Number.NaN);
  return Number.isSafeInteger(tries) && tries > 0 ? tries : undefined;
}

/** `lock=` says that the bucket keeps versions; `versions=first` says it to who only reads. Throws `usage`. */
function readsFirstVersions(url: URL): boolean {
  const text = url.searchParams.get("versions");
  if (text === null) return url.searchParams.has("lock");
  if (text === "first") return true;
  throw new MendError("usage", `"versions=${text}" is not a choice of versions`, {
    hint: "give versions=first, to read what each name held first",
  });
}
