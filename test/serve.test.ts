/** `serve` as its clients see it, over real sockets. What kubectl makes of it is in test/clients. */
import { copyFileSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { request as httpsRequest } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { decodeCbor } from "../src/storage/cbor.ts";
import { decodeMessage } from "../src/storage/decode-message.ts";
import { readEnvelope } from "../src/storage/envelope.ts";
import { parseJson } from "../src/storage/json-parse.ts";
import { planOf } from "../src/storage/message-plan.ts";
import { decodeYaml } from "../src/storage/yaml-parse.ts";
import { FIXTURES } from "./kubectl-tables.ts";
import { kubemend } from "./kubemend.ts";
import { serveFile, type TestServer } from "./serving.ts";
import { expectShown } from "./shown-on-page.ts";

type Json = Record<string, unknown> & {
  readonly metadata: Record<string, string>;
  readonly items: readonly Json[];
  readonly data: Record<string, string>;
};

let server: TestServer;
beforeAll(async () => {
  server = await serveFile(join(FIXTURES, "k120-broad/snapshot.db.gz"), { showSecrets: false });
});
afterAll(() => server.stop());

const get = async (path: string, headers: Record<string, string> = {}): Promise<Json> =>
  (await (await server.fetch(path, headers)).json()) as Json;
const names = (list: Json): string[] => list.items.map(({ metadata }) => `${metadata.namespace}/${metadata.name}`);

describe("who may ask", () => {
  test("nobody without the token, whatever the path", async () => {
    for (const path of ["/api/v1/secrets", "/version", "/", "/at/5/api/v1/pods", "/openapi/v2"]) {
      for (const authorization of ["", "Bearer wrong", `Bearer ${server.token}x`]) {
        const answer = await server.fetch(path, { authorization });
        expect(answer.status).toBe(401);
        expect(await answer.json()).toMatchObject({ kind: "Status", reason: "Unauthorized", code: 401 });
      }
    }
    expect((await server.fetch("/readyz", { authorization: "" })).status).toBe(200);
  });

  test("the kubeconfig is its owner's alone, and trusts the authority of this run", async () => {
    expect(statSync(server.kubeconfig).mode & 0o777).toBe(0o600);
    const config = JSON.parse(readFileSync(server.kubeconfig, "utf8"));
    const { cluster } = config.clusters[0];
    expect(config["current-context"]).toBe("snapshot");
    const answer = await new Promise((resolve, reject) => {
      const ca = Buffer.from(cluster["certificate-authority-data"], "base64");
      const headers = { authorization: `Bearer ${config.users[0].user.token}` };
      httpsRequest(`${cluster.server}/version`, { ca, headers }, (response) => resolve(response.statusCode))
        .on("error", reject)
        .end();
    });
    expect(answer).toBe(200);
  });

  test("a kubeconfig that is there already is not overwritten", async () => {
    const path = `${server.kubeconfig}-there`;
    writeFileSync(path, "mine");
    const started = serveFile(join(FIXTURES, "k120-broad/snapshot.db.gz"), { kubeconfig: path });
    await expect(started).rejects.toMatchObject({ code: "already-exists" });
    expect(readFileSync(path, "utf8")).toBe("mine");
  });
});

describe("lists", () => {
  test("pages are the whole list, at the revision of the first page", async () => {
    const whole = await get("/api/v1/configmaps");
    const paged: string[] = [];
    let next = "";
    do {
      const page = await get(`/api/v1/configmaps?limit=3&continue=${encodeURIComponent(next)}`);
      expect(page.metadata.resourceVersion).toBe(whole.metadata.resourceVersion);
      paged.push(...names(page));
      next = page.metadata.continue ?? "";
      const rest = whole.items.length - paged.length;
      expect(page.metadata.remainingItemCount).toBe(rest === 0 ? undefined : rest);
    } while (next !== "");
    expect(paged).toEqual(names(whole));
  });

  test("pages of a selection are the whole selection", async () => {
    const whole = await get("/api/v1/pods?labelSelector=app");
    expect(whole.items.length).toBeGreaterThan(3);
    const paged: string[] = [];
    let next = "";
    do {
      const page = await get(`/api/v1/pods?labelSelector=app&limit=2&continue=${next}`);
      paged.push(...names(page));
      next = page.metadata.continue ?? "";
    } while (next !== "");
    expect(paged).toEqual(names(whole));
  });

  test.each([
    ["labelSelector=app=web", (pod: Json) => (pod.metadata as unknown as { labels?: Json }).labels?.app === "web"],
    ["fieldSelector=spec.nodeName=hollow-1", (pod: Json) => (pod.spec as Json).nodeName === "hollow-1"],
    ["fieldSelector=status.phase!=Running", (pod: Json) => (pod.status as Json).phase !== "Running"],
    ["fieldSelector=metadata.name=web,metadata.namespace=shop", () => false],
  ])("%s selects", async (query, matches) => {
    const all = await get("/api/v1/pods");
    expect(names(await get(`/api/v1/pods?${query}`))).toEqual(names({ ...all, items: all.items.filter(matches) }));
  });

  test.each([
    ["fieldSelector=spec.color=red", "field label not supported: spec.color"],
    ["fieldSelector=nonsense", "invalid selector"],
    ["labelSelector=a in", "unable to parse"],
    ["limit=many", 'parsing "many"'],
    ["resourceVersion=abc", "resourceVersion"],
    ["continue=nonsense", "continue key is not valid"],
  ])("%s is refused", async (query, text) => {
    const answer = await server.fetch(`/api/v1/pods?${query}`);
    expect(answer.status).toBe(400);
    expect(((await answer.json()) as { message: string }).message).toContain(text);
  });

  test.each([
    "resourceVersionMatch=Exact",
    "resourceVersion=5&resourceVersionMatch=Latest",
    "watch=1&sendInitialEvents=true",
  ])("%s is invalid", async (query) => {
    const answer = await server.fetch(`/api/v1/pods?${query}`);
    expect(answer.status).toBe(422);
    expect(await answer.json()).toMatchObject({
      reason: "Invalid",
      details: { causes: [{ field: "resourceVersionMatch" }] },
    });
  });

  test("an indented list is the list", async () => {
    const text = async (query: string) => (await server.fetch(`/api/v1/pods?limit=3${query}`)).text();
    const indented = await text("&pretty=true");
    expect(indented).toContain('\n      "metadata": {\n');
    expect(`${JSON.stringify(JSON.parse(indented))}\n`).toBe(`${JSON.stringify(JSON.parse(await text("")))}\n`);
    const unescaped = indented
      .replace(/\\u003c/g, "<")
      .replace(/\\u003e/g, ">")
      .replace(/\\u0026/g, "&");
    expect(unescaped).toBe(JSON.stringify(JSON.parse(indented), undefined, 2));
  });

  test("an answer in any encoding says the same", async () => {
    const path = "/apis/apps/v1/namespaces/shop/deployments/web";
    const json = await get(path);
    const bytes = async (accept: string) => new Uint8Array(await (await server.fetch(path, { accept })).arrayBuffer());
    expect(decodeYaml(Buffer.from(await bytes("application/yaml")).toString("utf8"))).toEqual(json);
    expect(decodeCbor(await bytes("application/cbor"))).toEqual(json);
    const protobuf = await bytes("application/vnd.kubernetes.protobuf");
    const envelope = readEnvelope(protobuf);
    const root = { apiVersion: envelope.apiVersion, kind: envelope.kind, resourceVersion: "" };
    expect(decodeMessage(planOf("apps/v1.Deployment"), protobuf, { ...envelope, ...root }).object).toEqual(json);
  });

  test("a list in CBOR and in YAML is the list in JSON", async () => {
    for (const path of ["/api/v1/services", "/apis/things.fx.example.com/v1/widgets", "/api/v1/endpoints?limit=1"]) {
      const json = parseJson(await (await server.fetch(path)).text(), "int64");
      const yaml = await (await server.fetch(path, { accept: "application/yaml" })).text();
      expect(decodeYaml(yaml)).toEqual(json);
      const cbor = await (await server.fetch(path, { accept: "application/cbor" })).arrayBuffer();
      expect(decodeCbor(new Uint8Array(cbor))).toEqual(json);
    }
  });

  test("what is not to be had in any form that is asked for is said so", async () => {
    const answer = await server.fetch("/api/v1/pods", { accept: "text/html" });
    expect(answer.status).toBe(406);
    const custom = await server.fetch("/apis/things.fx.example.com/v1/widgets", {
      accept: "application/vnd.kubernetes.protobuf",
    });
    expect(custom.status).toBe(406);
  });

  test("large answers are compressed where the client takes it", async () => {
    const answer = await server.fetch("/openapi/v2", { "accept-encoding": "gzip" });
    expect(answer.headers.get("content-encoding")).toBe("gzip");
    expect(Object.keys(((await answer.json()) as Json).definitions as Json).length).toBeGreaterThan(300);
    const plain = await server.fetch("/openapi/v2", { "accept-encoding": "identity" });
    expect(plain.headers.get("content-encoding")).toBe(null);
  });
});

describe("moments", () => {
  test("a list at an exact revision is what was there, by either way to ask", async () => {
    const now = names(await get("/apis/apps/v1/deployments"));
    const earlier = await get("/apis/apps/v1/deployments?resourceVersion=700&resourceVersionMatch=Exact");
    expect(earlier.metadata.resourceVersion).toBe("700");
    expect(names(earlier)).not.toEqual(now);
    expect(names(await get("/at/700/apis/apps/v1/deployments"))).toEqual(names(earlier));
    expect(names(await get("/apis/apps/v1/deployments?resourceVersion=700&resourceVersionMatch=NotOlderThan"))).toEqual(
      now,
    );
    for (const { metadata } of earlier.items) expect(Number(metadata.resourceVersion)).toBeLessThanOrEqual(700);
  });

  test("the future, and a moment that is none", async () => {
    const future = await server.fetch("/api/v1/pods?resourceVersion=99999999");
    expect(future.status).toBe(504);
    expect(await future.json()).toMatchObject({ reason: "Timeout", message: expect.stringContaining("Too large") });
    for (const moment of ["99999999", "yesterday-ish", "%E0"]) {
      expect((await server.fetch(`/at/${moment}/api/v1/pods`)).status).toBeGreaterThanOrEqual(400);
    }
  });

  test("a time names the revision that was the newest then", async () => {
    const namespaces = await get("/api/v1/namespaces");
    const shop = namespaces.items.find(({ metadata }) => metadata.name === "shop")!;
    const created = Date.parse(shop.metadata.creationTimestamp!);
    const has = async (time: number) =>
      names(await get(`/at/${new Date(time).toISOString()}/api/v1/namespaces`)).some((name) => name.endsWith("/shop"));
    expect(await has(created + 60_000)).toBe(true);
    expect(await has(created - 5_000)).toBe(false);
  });
});

test("a server at an earlier revision knows nothing later", async () => {
  const file = join(FIXTURES, "k120-broad/snapshot.db.gz");
  const earlier = await serveFile(file, { atRevision: 700 });
  try {
    expect(earlier.lastRevision).toBe(700);
    const list = (await (await earlier.fetch("/apis/apps/v1/deployments")).json()) as Json;
    expect(names(list)).toEqual(names(await get("/at/700/apis/apps/v1/deployments")));
    expect((await earlier.fetch("/at/701/api/v1/pods")).status).toBe(404);
    const watched = await (await earlier.fetch("/api/v1/pods?watch=1&resourceVersion=690&timeoutSeconds=1")).text();
    for (const [, revision] of watched.matchAll(/"resourceVersion":"(\d+)","creation/g))
      expect(Number(revision)).toBeLessThanOrEqual(700);
  } finally {
    await earlier.stop();
  }
  await expect(serveFile(file, { atRevision: 99_999 })).rejects.toMatchObject({ code: "revision-in-future" });
});

describe("watches", () => {
  interface Event {
    readonly type: string;
    readonly object: Json;
  }
  const watch = async (query: string): Promise<Event[]> => {
    const answer = await server.fetch(`${query}&timeoutSeconds=1`);
    const text = await answer.text();
    return text
      .split("\n")
      .filter(Boolean)
      .map((line) => JSON.parse(line) as Event);
  };

  test("the recorded history replays to the newest state", async () => {
    const start = await get("/api/v1/namespaces/shop/pods?resourceVersion=600&resourceVersionMatch=Exact");
    const state = new Map(start.items.map((item) => [item.metadata.name!, item.metadata.resourceVersion]));
    const events = await watch("/api/v1/namespaces/shop/pods?watch=1&resourceVersion=600&allowWatchBookmarks=true");
    expect(events.at(-1)).toMatchObject({ type: "BOOKMARK", object: { metadata: { resourceVersion: "1338" } } });
    let last = 600;
    for (const { type, object } of events.slice(0, -1)) {
      const { name = "", resourceVersion = "" } = object.metadata;
      expect(Number(resourceVersion)).toBeGreaterThanOrEqual(last);
      last = Number(resourceVersion);
      expect(state.has(name)).toBe(type !== "ADDED");
      if (type === "DELETED") state.delete(name);
      else state.set(name, resourceVersion);
    }
    const end = await get("/api/v1/namespaces/shop/pods");
    expect(state).toEqual(new Map(end.items.map((item) => [item.metadata.name!, item.metadata.resourceVersion])));
  });

  test("a selection is entered and left", async () => {
    const events = await watch("/api/v1/pods?watch=1&resourceVersion=1&fieldSelector=status.phase=Pending");
    const types = new Set(events.map(({ type }) => type));
    expect(types.has("ADDED") && types.has("DELETED")).toBe(true);
  });

  test("a streaming list ends its first events with a bookmark that says so", async () => {
    const query = "watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true";
    const events = await watch(`/api/v1/namespaces?${query}`);
    const list = await get("/api/v1/namespaces");
    expect(events.map(({ type }) => type)).toEqual([...list.items.map(() => "ADDED"), "BOOKMARK"]);
    expect(events.at(-1)?.object.metadata.annotations).toEqual({ "k8s.io/initial-events-end": "true" });
  });
});

describe("a compacted history", () => {
  test("is said to be gone", async () => {
    const compacted = await serveFile(join(FIXTURES, "k136-compacted/snapshot.db.gz"));
    try {
      expect(compacted.firstRevision).toBeGreaterThan(1);
      const old = compacted.firstRevision - 1;
      const list = await compacted.fetch(`/api/v1/pods?resourceVersion=${old}&resourceVersionMatch=Exact`);
      expect(list.status).toBe(410);
      expect(await list.json()).toMatchObject({ reason: "Expired" });
      const watched = await (
        await compacted.fetch(`/api/v1/pods?watch=1&resourceVersion=${old}&timeoutSeconds=1`)
      ).text();
      expect(JSON.parse(watched)).toMatchObject({ type: "ERROR", object: { code: 410, reason: "Expired" } });
      expect((await compacted.fetch(`/at/${old}/api/v1/pods`)).status).toBe(410);
    } finally {
      await compacted.stop();
    }
  });
});

describe("secrets", () => {
  test("are asterisks of the same size, in every form, and say so", async () => {
    const hidden = await get("/api/v1/secrets");
    const shown = await serveFile(join(FIXTURES, "k120-broad/snapshot.db.gz"));
    try {
      const open = (await (await shown.fetch("/api/v1/secrets")).json()) as Json;
      expect(names(open)).toEqual(names(hidden));
      for (const [i, { data = {}, metadata }] of hidden.items.entries()) {
        const real = open.items[i]!.data ?? {};
        expect((metadata.annotations as unknown as Json)["kubemend.io/hidden"]).toBeDefined();
        for (const [name, value] of Object.entries(data)) {
          const size = Buffer.from(real[name]!, "base64").length;
          expect(Buffer.from(value, "base64").toString("latin1")).toBe("*".repeat(size));
        }
      }
      const text = JSON.stringify(hidden);
      const values = open.items.flatMap(({ data }) => Object.values(data ?? {})).filter((value) => value.length > 8);
      expect(values.length).toBeGreaterThan(3);
      for (const value of values) expect(text).not.toContain(value);
    } finally {
      await shown.stop();
    }
  });

  test("that are encrypted are listed by name, with a warning, and read with the key", async () => {
    const encrypted = await serveFile(join(FIXTURES, "k136-encrypted/snapshot.db.gz"));
    const config = join(FIXTURES, "k136-encrypted/encryption.yaml");
    const opened = await serveFile(join(FIXTURES, "k136-encrypted/snapshot.db.gz"), { encryptionConfig: config });
    try {
      const closedList = await encrypted.fetch("/api/v1/secrets");
      const closed = (await closedList.json()) as Json;
      const open = (await (await opened.fetch("/api/v1/secrets")).json()) as Json;
      expect(names(closed)).toEqual(names(open));

      expect(closedList.headers.get("warning")).toMatch(/EncryptionConfiguration/);
      const isUnreadable = ({ metadata }: Json) =>
        "kubemend.io/unreadable" in ((metadata.annotations ?? {}) as unknown as Json);
      const unreadable = closed.items.filter(isUnreadable);
      expect(unreadable.length).toBeGreaterThan(0);
      for (const { metadata } of unreadable)
        expect((metadata.annotations as unknown as Json)["kubemend.io/unreadable"]).toMatch(/encrypted with aescbc/);
      expect(open.items.filter(isUnreadable)).toEqual([]);
      const one = await encrypted.fetch(
        `/api/v1/namespaces/${unreadable[0]!.metadata.namespace}/secrets/${unreadable[0]!.metadata.name}`,
      );
      expect(one.status).toBe(500);
      expect(((await one.json()) as { message: string }).message).toContain("EncryptionConfiguration");
    } finally {
      await encrypted.stop();
      await opened.stop();
    }
  });
});

describe("nothing is written", () => {
  test.each([
    ["POST", "/api/v1/namespaces/default/configmaps"],
    ["PUT", "/api/v1/namespaces/default/configmaps/x"],
    ["PATCH", "/apis/apps/v1/namespaces/shop/deployments/web"],
    ["DELETE", "/api/v1/namespaces/shop"],
    ["POST", "/api/v1/namespaces/shop/pods/web/eviction"],
    ["POST", "/api/v1/namespaces/shop/pods/web/exec"],
  ])("%s %s", async (method, path) => {
    const before = readFileSync(join(FIXTURES, "k120-broad/snapshot.db.gz"));
    const answer = await server.fetch(path, { "content-type": "application/json" }, { method, body: "{}" });
    expect(answer.status).toBe(405);
    expect(await answer.json()).toMatchObject({
      kind: "Status",
      reason: "MethodNotAllowed",
      message: expect.stringContaining("a backup"),
    });
    expect(readFileSync(join(FIXTURES, "k120-broad/snapshot.db.gz")).equals(before)).toBe(true);
  });
});

test("a file that is cut off is damaged, which is not to say that it holds no cluster", async () => {
  const directory = mkdtempSync(join(tmpdir(), "cut-"));
  const file = join(directory, "cut.db");
  writeFileSync(file, gunzipSync(readFileSync(join(FIXTURES, "k120-broad/snapshot.db.gz"))).subarray(0, 1_000_000));
  const failure = { code: "snapshot-damaged", where: file, message: expect.stringContaining("beyond the end") };
  try {
    await expect(serveFile(file)).rejects.toMatchObject(failure);
    await expect(serveFile(file, { etcdPrefix: "/registry" })).rejects.toMatchObject(failure);
    const read = await kubemend(directory, ["snapshot", "get", file, "pods", "-A", "-o", "json"]);
    expect([read.code, read.stderr + read.stdout]).toEqual([1, expect.stringContaining("damaged snapshot")]);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
});

test("a review says by its path what it is, where its body does not", async () => {
  const post = async (plural: string, body: unknown) => {
    const path = `/apis/authorization.k8s.io/v1/${plural}`;
    const init = { method: "POST", body: JSON.stringify(body) };
    const answer = await server.fetch(path, { "content-type": "application/json" }, init);
    return [answer.status, await answer.json()] as const;
  };
  const spec = { namespace: "default" };
  const [status, rules] = await post("selfsubjectrulesreviews", { spec });
  expect(status).toBe(201);
  expect(rules).toMatchObject({ kind: "SelfSubjectRulesReview", apiVersion: "authorization.k8s.io/v1", spec });
  const attributes = { verb: "list", resource: "pods" };
  const [, access] = await post("selfsubjectaccessreviews", { spec: { resourceAttributes: attributes } });
  expect(access).toMatchObject({ kind: "SelfSubjectAccessReview", status: { allowed: true } });
  for (const body of [{ kind: "Pod", spec }, [], "text", null])
    expect((await post("selfsubjectrulesreviews", body))[0]).toBe(400);
  const read = await server.fetch("/apis/authorization.k8s.io/v1/selfsubjectrulesreviews");
  expect(read.status).toBe(405);
});

test("a group that is not served has no page, of whatever depth", async () => {
  for (const path of ["/apis/metrics.k8s.io", "/apis/metrics.k8s.io/v1beta1", "/apis/metrics.k8s.io/v1beta1/nodes"]) {
    const answer = await server.fetch(path);
    expect([path, answer.status, await answer.text()]).toEqual([path, 404, "404 page not found\n"]);
  }
});

test("hostile paths and headers get an answer", async () => {
  const paths = [
    "/api/v1/namespaces/%00/pods/%2e%2e%2f",
    "/api/v1/namespaces/a/b/c/d/e/f",
    `/api/v1/pods/${"x".repeat(4000)}`,
    "/apis/__proto__/v1/constructor",
    "/api/v1/__proto__",
    "/openapi/v3/apis/__proto__/v1",
    "/api/v1/pods/%zz",
  ];
  for (const path of paths) {
    const answer = await server.fetch(path, { accept: "application/json;as=Table;v=v9;g=x, ;;q=zz, application/json" });
    expect([400, 404]).toContain(answer.status);
    const text = await answer.text();
    if (text !== "404 page not found\n") expect(JSON.parse(text)).toMatchObject({ kind: "Status" });
  }
});

test("what it says when it starts is what the page shows", async () => {
  const end = new AbortController();
  const directory = mkdtempSync(join(tmpdir(), "serve-shown-"));
  const file = join(directory, "backup.db.gz");
  copyFileSync(join(FIXTURES, "k120-broad/snapshot.db.gz"), file);
  const { stdout, stderr } = await kubemend(directory, ["serve", file], {}, { signal: end.signal }, (all) => {
    if (all.includes("Ctrl-C")) end.abort();
  });
  rmSync(directory, { recursive: true });
  const printed = (stdout + stderr).replace(file, "backup.db");
  expectShown("docs/serve-a-backup.md", "kubemend serve backup.db", printed);
});
