/**
 * A stand-in for a bucket that keeps versions, as Ceph's gateway 16.2 was seen to answer: it does not keep
 * `If-None-Match` there, a removal adds a marker, a list of versions may begin with the key of the marker itself, and
 * what a lock keeps is refused. The same tests run on a real server that `KUBEMEND_TEST_S3` names.
 */
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { environment, type S3Server } from "./s3-server.ts";

interface Version {
  readonly id: string;
  /** Undefined for a marker. */
  readonly bytes: Buffer | undefined;
  readonly until: number;
}

const PAGE = 3; // so small that every list has several

export async function startVersionedS3(): Promise<S3Server> {
  const held = new Map<string, Version[]>();
  let count = 0;
  const add = (key: string, bytes: Buffer | undefined, until = 0): string => {
    const id = `v${++count}`;
    held.set(key, [{ id, bytes, until }, ...(held.get(key) ?? [])]);
    return id;
  };
  const rows = (): (Version & { readonly key: string })[] =>
    [...held]
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .flatMap(([key, versions]) => versions.map((version) => ({ key, ...version })));

  function listVersions(query: URLSearchParams): string {
    const [prefix, marker, id] = [
      query.get("prefix") ?? "",
      query.get("key-marker") ?? "",
      query.get("version-id-marker"),
    ];
    const all = rows().filter(({ key }) => key.startsWith(prefix) && key >= marker);
    const delimited = query.has("delimiter");
    if (delimited) {
      const folders = new Set(all.map(({ key }) => key.slice(0, key.indexOf("/", prefix.length) + 1)));
      const names = [...folders].filter((folder) => folder !== "" && folder > marker).sort();
      const shown = names.slice(0, PAGE).map((folder) => `<CommonPrefixes><Prefix>${folder}</Prefix></CommonPrefixes>`);
      const more = names.length > PAGE;
      return `<ListVersionsResult><IsTruncated>${more}</IsTruncated>${shown.join("")}</ListVersionsResult>`;
    }
    const from = id === null ? 0 : all.findIndex((each) => each.key === marker && each.id === id) + 1;
    const page = all.slice(from, from + PAGE);
    const items = page.map(({ key, id: version, bytes }) => {
      const name = bytes === undefined ? "DeleteMarker" : "Version";
      const size = bytes === undefined ? "" : `<Size>${bytes.length}</Size>`;
      const time = "<LastModified>2026-11-30T03:17:37.693Z</LastModified>";
      return `<${name}><Key>${encodeURIComponent(key)}</Key><VersionId>${version}</VersionId>${time}${size}</${name}>`;
    });
    const isTruncated = from + PAGE < all.length;
    return `<ListVersionsResult><IsTruncated>${isTruncated}</IsTruncated>${items.join("")}</ListVersionsResult>`;
  }

  function list(query: URLSearchParams): string {
    const [prefix, after] = [query.get("prefix") ?? "", query.get("start-after") ?? ""];
    const items = [...held.keys()]
      .sort()
      .filter((key) => key.startsWith(prefix) && key > after && held.get(key)?.[0]?.bytes !== undefined)
      .map(
        (key) =>
          `<Contents><Key>${encodeURIComponent(key)}</Key><Size>${held.get(key)?.[0]?.bytes?.length}</Size></Contents>`,
      );
    return `<ListBucketResult><IsTruncated>false</IsTruncated>${items.join("")}</ListBucketResult>`;
  }

  function get(key: string, id: string | null, response: ServerResponse): void {
    const versions = held.get(key) ?? [];
    const found = id === null ? versions[0] : versions.find((version) => version.id === id);
    if (found?.bytes === undefined) response.writeHead(404).end("<Error><Code>NoSuchKey</Code></Error>");
    else response.writeHead(200, { etag: `"${found.id}"` }).end(found.bytes);
  }

  function remove(key: string, id: string | null, response: ServerResponse): void {
    if (id === null) {
      response.writeHead(204, { "x-amz-delete-marker": "true", "x-amz-version-id": add(key, undefined) }).end();
      return;
    }
    const versions = held.get(key) ?? [];
    const isLocked = versions.some((version) => version.id === id && version.until > Date.now());
    if (isLocked) {
      response
        .writeHead(403)
        .end("<Error><Code>AccessDenied</Code><Message>forbidden by object lock</Message></Error>");
      return;
    }
    const left = versions.filter((version) => version.id !== id);
    if (left.length === 0) held.delete(key);
    else held.set(key, left);
    response.writeHead(204).end();
  }

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? "/", "http://localhost");
    const key = decodeURIComponent(url.pathname).replace(/^\/[^/]*\/?/, "");
    const id = url.searchParams.get("versionId");
    const bytes = Buffer.concat(await request.toArray());
    if (request.method === "PUT") {
      const until = Date.parse(String(request.headers["x-amz-object-lock-retain-until-date"] ?? ""));
      const made = add(key, bytes, Number.isNaN(until) ? 0 : until);
      response.writeHead(200, { etag: `"${made}"`, "x-amz-version-id": made }).end();
    } else if (request.method === "DELETE") remove(key, id, response);
    else if (key !== "") get(key, id, response);
    else
      response
        .writeHead(200)
        .end(url.searchParams.has("versions") ? listVersions(url.searchParams) : list(url.searchParams));
  }

  const server = createServer((request, response) => void answer(request, response));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  const endpoint = `http://127.0.0.1:${typeof address === "object" ? address?.port : ""}`;
  return {
    endpoint,
    env: environment(endpoint),
    async stop() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}
