/**
 * The requests that two dashboards send, in their order, to `serve` and to a real API server 1.36 that holds the same
 * objects. Those of Headlamp (0.45) were recorded while its own frontend showed a cluster, its nodes, pods, a
 * deployment and definitions; those of k9s were read in its sources (0.50) and in client-go's.
 */
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { findKubernetes } from "../../testbed/kubernetes.ts";
import { FIXTURES } from "../kubectl-tables.ts";
import { serveFile, type TestServer } from "../serving.ts";
import { watchSocket } from "../watch-socket.ts";
import { HAS_API_SERVER, type RealApiServer, startRealApiServer } from "./real-api-server.ts";

const isToday = HAS_API_SERVER && (await findKubernetes()).minor >= 36;
const SNAPSHOT = join(FIXTURES, "k136-compacted/snapshot.db.gz");

interface Asked {
  readonly path: string;
  readonly accept?: string;
  /** What is posted. */
  readonly body?: unknown;
  readonly socket?: true;
}

const access = (resource: string, verb: string, more: object = {}) => ({
  kind: "SelfSubjectAccessReview",
  apiVersion: "authorization.k8s.io/v1",
  spec: { resourceAttributes: { verb, resource, group: "", version: "v1", ...more } },
});
const REVIEWS = "/apis/authorization.k8s.io/v1";
const DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";

const HEADLAMP: readonly Asked[] = [
  { path: "/version" },
  { path: DEFINITIONS },
  { path: "/apis/scheduling.k8s.io/v1beta1" },
  { path: `${REVIEWS}/selfsubjectrulesreviews`, body: { spec: { namespace: "default" } } },
  { path: "/apis/gateway.networking.k8s.io/v1alpha2" },
  { path: "/apis/gateway.networking.k8s.io/v1" },
  { path: "/healthz" },
  { path: `${DEFINITIONS}?watch=1&resourceVersion=REVISION`, socket: true },
  { path: "/api/v1/events?limit=2000" },
  { path: "/api/v1/namespaces" },
  { path: "/api/v1/nodes" },
  { path: "/apis/metrics.k8s.io/v1beta1/nodes" },
  { path: "/api/v1/pods" },
  { path: "/api/v1/namespaces?watch=1&resourceVersion=REVISION", socket: true },
  { path: `${REVIEWS}/selfsubjectaccessreviews`, body: access("pods", "list") },
  { path: "/apis/metrics.k8s.io/v1beta1/pods?limit=1000" },
  { path: "/api/v1/pods?limit=1000" },
  { path: "/api/v1/pods?watch=1&resourceVersion=REVISION", socket: true },
  { path: "/apis/apps/v1/namespaces/default/deployments/web" },
  { path: "/apis/apps/v1/namespaces/default/deployments/web/scale" },
  { path: "/api/v1/namespaces/default/events?fieldSelector=involvedObject.name=web,involvedObject.kind=Deployment" },
];

const K9S_REVIEW = "application/json, */*";
const TABLES =
  "application/json;as=Table;v=v1;g=meta.k8s.io,application/json;as=Table;v=v1beta1;g=meta.k8s.io,application/json";
const DISCOVERY =
  "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList," +
  "application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList,application/json";
/** A reflector of client-go 0.35 begins with a streaming list. */
const STREAM = "allowWatchBookmarks=true&resourceVersionMatch=NotOlderThan&sendInitialEvents=true&timeoutSeconds=2";

const K9S: readonly Asked[] = [
  { path: "/version?timeout=15s" },
  { path: `${REVIEWS}/selfsubjectaccessreviews`, accept: K9S_REVIEW, body: access("namespaces", "list") },
  { path: "/api/v1/namespaces", accept: "application/json" },
  { path: "/api", accept: DISCOVERY },
  { path: "/apis", accept: DISCOVERY },
  { path: "/apis", accept: "application/json, */*" },
  { path: `${DEFINITIONS}?${STREAM}&watch=true`, accept: "application/json" },
  { path: `${REVIEWS}/selfsubjectaccessreviews`, accept: K9S_REVIEW, body: access("pods", "watch") },
  { path: `/api/v1/pods?${STREAM}&watch=true`, accept: "application/json" },
  { path: "/api/v1/pods?limit=500&resourceVersion=0", accept: "application/json" },
  { path: "/api/v1/nodes?labelSelector=", accept: "application/json" },
  { path: "/apis/metrics.k8s.io/v1beta1/nodes?limit=500", accept: "application/json" },
  { path: "/api/v1/services?includeObject=Object", accept: TABLES },
  { path: "/apis/apps/v1/namespaces/default/replicasets?includeObject=Metadata", accept: TABLES },
  {
    path: "/apis/apps/v1/namespaces/default/deployments/web",
    accept: "application/vnd.kubernetes.protobuf,application/json",
  },
  {
    path: "/api/v1/namespaces/default/events?fieldSelector=involvedObject.name%3Dweb&limit=500",
    accept: "application/vnd.kubernetes.protobuf,application/json",
  },
];

interface Item {
  readonly metadata?: { readonly name?: string; readonly namespace?: string; readonly resourceVersion?: string };
}
interface Answered {
  readonly status: number;
  readonly type: string;
  readonly body: Buffer;
}

describe.each([
  ["Headlamp", HEADLAMP],
  ["k9s", K9S],
] as const)("%s", (_, requests) => {
  let ours: TestServer;
  let real: RealApiServer | undefined;
  beforeAll(async () => {
    ours = await serveFile(SNAPSHOT);
    if (isToday) real = await startRealApiServer(SNAPSHOT);
  }, 120_000);
  afterAll(async () => {
    await ours?.stop();
    await real?.stop();
  });

  const isOld = ({ metadata }: Item) => Number(metadata?.resourceVersion) <= ours.lastRevision;
  const name = ({ metadata }: Item) => `${metadata?.namespace ?? ""}/${metadata?.name}`;
  const headersOf = ({ accept = "*/*", body }: Asked) => ({
    accept,
    ...(body === undefined ? {} : { "content-type": "application/json" }),
  });
  const askOurs = async (asked: Asked): Promise<Answered> => {
    const init = asked.body === undefined ? {} : { method: "POST", body: JSON.stringify(asked.body) };
    const answer = await ours.fetch(asked.path, headersOf(asked), init);
    const body = Buffer.from(await answer.arrayBuffer());
    return { status: answer.status, type: answer.headers.get("content-type") ?? "", body };
  };
  const askReal = (asked: Asked) =>
    real!.fetch(asked.path, headersOf(asked), asked.body === undefined ? undefined : JSON.stringify(asked.body));

  /** What an answer is, without what only one of the two servers has. */
  function settled({ status, type, body }: Answered): unknown {
    const text = body.toString("utf8");
    if (type.includes("protobuf")) return { status, type };
    if (!type.includes("json")) return { status, type, text };
    const values = text
      .split("\n")
      .filter((line) => line !== "" && text.startsWith('{"type":'))
      .map((line) => JSON.parse(line) as { type: string; object: Item });
    if (values.length > 0) {
      const state = values.filter(({ type: event, object }) => event === "ADDED" && isOld(object));
      const marks = values.flatMap(({ type: event, object }) =>
        event === "BOOKMARK" ? [Object.keys((object.metadata as { annotations?: object }).annotations ?? {})] : [],
      );
      return { status, type, objects: state.map(({ object }) => name(object)).sort(), mark: marks[0] };
    }
    const parsed = JSON.parse(text) as { kind: string; items?: Item[]; rows?: { object: Item }[]; status?: object };
    const items = parsed.items ?? parsed.rows?.map(({ object }) => object);
    if (/Discovery|APIGroupList|version/.test(`${parsed.kind}`) || parsed.kind === undefined)
      return { status, type, keys: Object.keys(parsed).filter((key) => !/^(min|emulation)/.test(key)) };
    if (parsed.kind.endsWith("Review"))
      return { status, kind: parsed.kind, keys: Object.keys(parsed), of: Object.keys(parsed.status ?? {}) };
    if (items === undefined) return { status, type, text };
    return { status, type, kind: parsed.kind, names: items.filter(isOld).map(name), keys: Object.keys(parsed) };
  }

  test("each request is answered as a real API server does", async () => {
    for (const asked of requests) {
      const path = asked.path.replace("REVISION", String(ours.lastRevision));
      if (asked.socket) {
        const open = (server: string, token: string) =>
          watchSocket(server, `${path}&timeoutSeconds=1`, { authorization: `Bearer ${token}` }, [
            "base64.binary.k8s.io",
          ]);
        const mine = await open(ours.server, ours.token);
        expect([path, mine.protocol]).toEqual([path, "base64.binary.k8s.io"]);
        if (real !== undefined) expect((await open(real.server, real.token)).protocol).toBe(mine.protocol);
        continue;
      }
      const mine = await askOurs({ ...asked, path });
      expect(mine.status, path).toBe(
        /metrics|gateway|scheduling/.test(path) ? 404 : asked.body === undefined ? 200 : 201,
      );
      if (asked.body !== undefined && path.includes("access"))
        expect(JSON.parse(mine.body.toString("utf8"))).toMatchObject({ status: { allowed: true } });
      if (real !== undefined) expect([path, settled(mine)]).toEqual([path, settled(await askReal({ ...asked, path }))]);
    }
  });
});
