/**
 * `serve` beside a real API server 1.36 that holds the same objects: single objects byte for byte in each encoding,
 * tables, discovery, refusals, and kubectl's output. Needs `KUBEMEND_KUBERNETES` with Kubernetes 1.36 or newer.
 */
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { decodeCbor } from "../../src/storage/cbor.ts";
import { findKubernetes } from "../../testbed/kubernetes.ts";
import { FIXTURES } from "../kubectl-tables.ts";
import { runProgram, serveFile, type TestServer } from "../serving.ts";
import { HAS_API_SERVER, type RealApiServer, startRealApiServer } from "./real-api-server.ts";

const isToday = HAS_API_SERVER && (await findKubernetes()).minor >= 36;

interface Item {
  readonly metadata: { readonly name: string; readonly namespace?: string; readonly resourceVersion: string };
}
interface ResourceList {
  readonly groupVersion: string;
  readonly resources: readonly { readonly name: string; readonly verbs: readonly string[] }[];
}

/** Served from elsewhere than etcd, or with a cell that has no column. */
const LEFT_OUT = new Set(["componentstatuses"]);
const ONE_CELL_MORE = new Set(["ipaddresses"]);
const PARTIAL = "as=PartialObjectMetadata;v=v1;g=meta.k8s.io";
const TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io";
/** Objects of each kind that are asked for one by one. */
const SINGLE = 6;

describe.skipIf(!isToday).each(["k136-compacted", "kubeadm-ha-k136"])("%s", (fixture) => {
  let real: RealApiServer;
  let ours: TestServer;
  beforeAll(async () => {
    const snapshot = join(FIXTURES, fixture, "snapshot.db.gz");
    ours = await serveFile(snapshot);
    real = await startRealApiServer(snapshot, { "feature-gates": "CBORServingAndStorage=true" });
  }, 120_000);
  afterAll(async () => {
    await ours?.stop();
    await real?.stop();
  });

  const both = async (path: string, accept: string) => {
    const mine = await ours.fetch(path, { accept });
    const theirs = await real.fetch(path, { accept });
    return { mine: Buffer.from(await mine.arrayBuffer()), theirs: theirs.body, statuses: [mine.status, theirs.status] };
  };
  const json = (bytes: Buffer) => JSON.parse(bytes.toString("utf8"));
  /** What the real server has written since it started is not in the snapshot. */
  const isOld = ({ metadata }: Item) => Number(metadata.resourceVersion) <= ours.lastRevision;
  const key = ({ metadata }: Item) => `${metadata.namespace ?? ""}/${metadata.name}`;
  const versions = async (): Promise<string[]> => {
    const { groups } = json((await both("/apis", "application/json")).mine);
    return [
      "/api/v1",
      ...groups.flatMap((group: { versions: { groupVersion: string }[] }) =>
        group.versions.map((each) => `/apis/${each.groupVersion}`),
      ),
    ];
  };
  const lists = async (): Promise<{ path: string; plural: string }[]> => {
    const found: { path: string; plural: string }[] = [];
    for (const version of await versions()) {
      const { mine, statuses } = await both(version, "application/json");
      if (statuses.some((status) => status !== 200)) continue;
      for (const { name, verbs } of (json(mine) as ResourceList).resources)
        if (verbs.includes("list") && !LEFT_OUT.has(name)) found.push({ path: `${version}/${name}`, plural: name });
    }
    return found;
  };
  /** Without what a description says and how old something is. */
  const settledTable = (bytes: Buffer): string =>
    bytes
      .toString("utf8")
      .replace(/"description":"(?:[^"\\]|\\.)*"/g, '"description":""')
      .replace(/"\d+[smhdy](\d+[smhd])?( ago)?"/g, '"AGE"');

  test("objects are the same bytes in every encoding, rows the same cells", async () => {
    let [objects, bytes] = [0, 0];
    for (const { path, plural } of await lists()) {
      const { mine, theirs, statuses } = await both(path, "application/json");
      expect([path, ...statuses]).toEqual([path, 200, 200]);
      const [own, their] = [json(mine), json(theirs)] as { items: Item[] }[];
      expect(Object.keys(own!)).toEqual(Object.keys(their!));
      const byKey = new Map(own!.items.map((item) => [key(item), item]));
      for (const [i, item] of their!.items.filter(isOld).entries()) {
        expect(JSON.stringify(byKey.get(key(item))), `${path} ${key(item)}`).toBe(JSON.stringify(item));
        objects++;
        if (i >= SINGLE) continue;
        const { namespace, name } = item.metadata;
        const place = path.replace(
          /\/([^/]+)$/,
          `${namespace === undefined ? "" : `/namespaces/${namespace}`}/$1/${encodeURIComponent(name)}`,
        );
        for (const accept of [
          "application/json",
          "application/yaml",
          "application/vnd.kubernetes.protobuf,application/json",
          `application/json;${PARTIAL}`,
          `application/vnd.kubernetes.protobuf;${PARTIAL}`,
        ]) {
          const single = await both(place, accept);
          expect(single.mine.equals(single.theirs), `${place} ${accept}`).toBe(true);
          bytes++;
        }
        // Go puts the fields of CBOR in no order.
        const cbor = await both(place, "application/cbor");
        expect(decodeCbor(cbor.mine), place).toEqual(decodeCbor(cbor.theirs));
        if (ONE_CELL_MORE.has(plural)) continue;
        const table = await both(place, TABLE);
        expect(settledTable(table.mine)).toBe(settledTable(table.theirs));
      }
    }
    expect(objects).toBeGreaterThan(200);
    expect(bytes).toBeGreaterThan(300);
  }, 240_000);

  test("columns are the same", async () => {
    for (const { path } of await lists()) {
      const { mine, theirs } = await both(path, TABLE);
      const columns = (from: Buffer) => json(Buffer.from(settledTable(from))).columnDefinitions;
      expect([path, columns(mine)]).toEqual([path, columns(theirs)]);
    }
  });

  test("discovery lists groups, versions and resources as the real server does, those that were never stored aside", async () => {
    const names = (from: Buffer): string[] => json(from).groups.map(({ name }: { name: string }) => name);
    const groups = await both("/apis", "application/json");
    const known = new Set(names(groups.mine));
    expect(names(groups.mine)).toEqual(names(groups.theirs).filter((name) => known.has(name)));
    for (const version of await versions()) {
      const { mine, theirs, statuses } = await both(version, "application/json");
      if (statuses[1] !== 200) continue;
      const their = new Map((json(theirs) as ResourceList).resources.map((each) => [each.name, each]));
      for (const { verbs, ...resource } of (json(mine) as ResourceList).resources) {
        expect(their.get(resource.name), `${version} ${resource.name}`).toMatchObject(resource);
        for (const verb of verbs) expect(their.get(resource.name)!.verbs).toContain(verb);
      }
    }
    for (const path of ["/api", "/apis"]) {
      const aggregated = await both(path, "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList");
      const kinds = (from: Buffer) =>
        new Map<string, unknown>(
          json(from).items.flatMap((group: { metadata: { name?: string }; versions: { version: string }[] }) =>
            group.versions.flatMap((each) =>
              (
                each as unknown as { resources: { resource: string; verbs: unknown; subresources: unknown }[] }
              ).resources.map(({ verbs: _verbs, subresources: _subresources, ...rest }) => [
                `${group.metadata.name} ${each.version} ${rest.resource}`,
                rest,
              ]),
            ),
          ),
        );
      const their = kinds(aggregated.theirs);
      for (const [name, resource] of kinds(aggregated.mine)) {
        if (their.has(name)) expect(their.get(name)).toMatchObject(resource as object);
      }
    }
  });

  test.each([
    "/api/v1/nodes/nosuch",
    "/apis/apps/v1/namespaces/default/deployments/nosuch/scale",
    "/api/v1/nosuch",
    "/apis/nosuch/v1/things",
    "/apis/apps/v9",
    "/apis/nosuch.example.com",
    "/apis/nosuch.example.com/v1",
    "/apis/metrics.k8s.io/v1beta1/nodes",
    "/apis/authorization.k8s.io",
    "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
    "/nosuch",
    "/api/v1/pods?fieldSelector=spec.color=red",
    "/api/v1/pods?resourceVersionMatch=Exact",
    "/api/v1/pods?resourceVersion=1&resourceVersionMatch=Latest",
    "/api/v1/pods?resourceVersion=0&resourceVersionMatch=Exact",
    "/api/v1/pods?resourceVersion=abc",
    "/api/v1/pods?resourceVersion=1&resourceVersionMatch=Exact",
    "/api/v1/pods?resourceVersion=99999999",
    "/api/v1/namespaces/default?resourceVersion=99999999",
    "/api/v1/pods?limit=-1&fieldSelector=metadata.name=nosuch",
    "/api/v1/pods?limit=many",
    "/api/v1/namespaces?watch=true&resourceVersion=99999999&timeoutSeconds=1",
    "/api/v1/pods?watch=true&sendInitialEvents=true&timeoutSeconds=1",
    "/api/v1/namespaces/default?pretty=true",
    "/api/v1/namespaces?pretty=true&limit=1",
    "/api/v1/namespaces?limit=2",
    "/api/v1/namespaces/kube-system/configmaps?limit=1",
    "/apis/",
    "/healthz/etcd",
  ])("%s is answered as the real server does", async (path) => {
    const { mine, theirs, statuses } = await both(path, "application/json");
    expect(statuses[0]).toBe(statuses[1]);
    const settled = (from: Buffer) =>
      from
        .toString("utf8")
        .replace(/current: \d+/, "current: N")
        .replace(/"resourceVersion": ?"\d+",( ?|\s*)"continue": ?"[^"]*"/, "CONTINUE")
        .replace(/^(\{"kind":"\w+List","apiVersion":"\w+","metadata":\{"resourceVersion":")\d+/, "$1N");
    if (path !== "/apis/") expect(settled(mine)).toBe(settled(theirs));
  });

  test.each([
    "get nodes,namespaces -o wide",
    "get pods -A -o wide",
    "get all -A",
    "get configmaps -n kube-system -o yaml",
    "get pods -A -o json",
    "get events -A -o wide",
    "get pods -A -l app -o name",
    "get pods -A --field-selector status.phase!=Running -o name",
    "get clusterroles -o custom-columns=N:.metadata.name,R:.rules[0].resources",
    "describe nodes",
    "describe pods -A",
    "describe deployments,daemonsets,replicasets -A",
    "describe configmaps,serviceaccounts -A",
    "describe clusterroles,clusterrolebindings",
    "events -A",
    "api-versions",
  ])("kubectl %s", async (command) => {
    const run = (kubeconfig: string) =>
      runProgram(real.kubectl, command.split(" "), { KUBECONFIG: kubeconfig, HOME: join(kubeconfig, "..") });
    const [mine, theirs] = [await run(ours.kubeconfig), await run(real.kubeconfig)];
    expect(mine.code).toBe(theirs.code);
    const lines = (text: string) =>
      text
        .split("\n")
        .map((line) => line.replace(/\b\d+(y|d|h|m|s)(\d+[dhms])*\b/g, "AGE").replace(/ +/g, " "))
        .filter((line) => !/^\s*"?resourceVersion"?:/.test(line));
    const their = new Set(lines(theirs.stdout));
    if (command === "api-versions") expect(their).toEqual(new Set([...their, ...lines(mine.stdout)]));
    // The real server adds objects of its own when it starts, and nothing goes away.
    else expect(lines(mine.stdout).filter((line) => !their.has(line))).toEqual([]);
  });
});
