/**
 * What the names of a bucket that keeps versions held first. Objects of a repository are written once, so what came later
 * under a name (written over it, or a delete marker that hides it) is somebody's mistake or attack; and where a store does
 * not keep `If-None-Match` in such buckets (Ceph's gateway), the first version decides between two writers. Answers of
 * ListObjectVersions: names ascending, the versions of each from the newest to the oldest.
 */
import { decodePercent } from "../network/decode-percent.ts";
import { notAStore, requireList } from "./not-a-store.ts";
import type { S3Place } from "./s3-place.ts";
import type { StoredObject } from "./store.ts";
import type { StoreAnswer } from "./store-request.ts";
import { tagText, tagTexts } from "./xml-text.ts";

export interface FirstVersion {
  readonly key: string;
  readonly id: string;
  readonly size: number;
  /** Milliseconds. */
  readonly modified: number;
}

/** One version, or a marker that hides the earlier ones. */
interface Version extends FirstVersion {
  readonly isMarker: boolean;
}

export interface S3Versions {
  /** By key; of keys that have only markers, none. */
  list(prefix: string, after?: string): AsyncGenerator<FirstVersion>;
  /** Undefined for a key that never was. */
  first(key: string): Promise<FirstVersion | undefined>;
  /** The parts of the keys between `prefix` and the next slash, ascending, whatever hides them. */
  folders(prefix: string): Promise<string[]>;
  /** Every version and marker of a key, from the newest. */
  all(key: string): Promise<readonly string[]>;
}

/** Ids that are remembered, so that what was listed is read without another question. */
const REMEMBERED = 100_000;

/** `ask` gives one page. */
export function s3Versions(
  ask: (query: Readonly<Record<string, string>>) => Promise<StoreAnswer>,
  place: S3Place,
): S3Versions {
  const remembered = new Map<string, FirstVersion>();
  const remember = (version: FirstVersion): void => {
    if (remembered.size >= REMEMBERED) remembered.clear();
    remembered.set(version.key, version);
  };

  async function page(query: Readonly<Record<string, string>>): Promise<string> {
    const answer = await ask({ versions: "", "encoding-type": "url", ...query });
    return requireList(answer, "ListVersionsResult", place.url);
  }

  async function* versions(prefix: string, after?: string): AsyncGenerator<Version> {
    let query: Record<string, string> = after === undefined ? {} : { "key-marker": after };
    for (;;) {
      const xml = await page({ prefix, ...query });
      let last: Version | undefined;
      for (const version of readVersions(xml)) {
        last = version;
        yield version;
      }
      if (tagText(xml, "IsTruncated") !== "true") return;
      // The markers in the answer are sometimes encoded and sometimes not: the last version is the same place.
      if (last === undefined || (last.key === query["key-marker"] && last.id === query["version-id-marker"]))
        throw noNextPage(place);
      query = { "key-marker": last.key, "version-id-marker": last.id };
    }
  }

  async function* list(prefix: string, after?: string): AsyncGenerator<FirstVersion> {
    let first: Version | undefined;
    for await (const version of versions(prefix, after)) {
      if (after !== undefined && version.key <= after) continue; // some begin with the marker itself
      if (first !== undefined && first.key !== version.key) {
        remember(first);
        yield first;
        first = undefined;
      }
      if (!version.isMarker) first = version;
    }
    if (first === undefined) return;
    remember(first);
    yield first;
  }

  return {
    list,
    async first(key) {
      const known = remembered.get(key);
      if (known !== undefined) return known;
      for await (const version of list(key)) return version.key === key ? version : undefined;
      return undefined;
    },
    async folders(prefix) {
      const found: string[] = [];
      for (let after: string | undefined; ; ) {
        const marker = after === undefined ? {} : { "key-marker": after };
        const xml = await page({ prefix, delimiter: "/", ...marker });
        const all = [...tagTexts(xml, "CommonPrefixes")].map((common) => decodeKey(tagText(common, "Prefix")));
        found.push(...all.filter((key) => key !== after).map((key) => key.slice(prefix.length, -1)));
        if (tagText(xml, "IsTruncated") !== "true") return found.filter((name) => name !== "");
        // Keys without a slash are on the page too, and are skipped by the last folder that is on it.
        const last = all.at(-1) ?? decodeKey(tagText(xml, "NextKeyMarker"));
        if (last === "" || last === after) throw noNextPage(place);
        after = last;
      }
    },
    async all(key) {
      const ids: string[] = [];
      for await (const version of versions(key)) {
        if (version.key !== key) break;
        ids.push(version.id);
      }
      return ids;
    },
  };
}

/** The versions and markers of a page, in its order. One that does not end is none. Reads the text once. */
function* readVersions(xml: string): Generator<Version> {
  const places = ["Version", "DeleteMarker"].map((name) => ({ name, at: xml.indexOf(`<${name}>`) }));
  for (;;) {
    const [next] = places.filter(({ at }) => at >= 0).sort((a, b) => a.at - b.at);
    if (next === undefined) return;
    const end = xml.indexOf(`</${next.name}>`, next.at);
    if (end < 0) return;
    yield readVersion(xml.slice(next.at, end), next.name === "DeleteMarker");
    next.at = xml.indexOf(`<${next.name}>`, end);
  }
}

function readVersion(xml: string, isMarker: boolean): Version {
  const modified = Date.parse(tagText(xml, "LastModified") ?? "");
  return {
    key: decodeKey(tagText(xml, "Key")),
    id: tagText(xml, "VersionId") ?? "",
    size: Number(tagText(xml, "Size") ?? 0),
    modified: Number.isNaN(modified) ? 0 : modified,
    isMarker,
  };
}

function decodeKey(text: string | undefined): string {
  return decodePercent((text ?? "").replaceAll("+", " "));
}

function noNextPage({ url, origin }: S3Place): Error {
  return notAStore(url, origin, "its list has more pages, and does not say which is next");
}

export function asStoredObject({ key, size, modified }: FirstVersion, prefix: string): StoredObject {
  return { name: key.slice(prefix.length), size, modified };
}
