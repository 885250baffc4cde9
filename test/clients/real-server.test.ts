/**
 * `serve` beside a real API server 1.20 that holds the same objects: the same requests, the same kubectl commands.
 * Where they differ, the rules below say why: what Kubernetes has changed since, since our tables are those of the
 * newest release.
 */
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { findKubernetes } from "../../testbed/kubernetes.ts";
import { FIXTURES } from "../kubectl-tables.ts";
import { findProgram } from "../programs.ts";
import { type ProgramResult, runProgram, serveFile, type TestServer } from "../serving.ts";
import { watchSocket } from "../watch-socket.ts";
import { HAS_API_SERVER, type RealApiServer, startRealApiServer } from "./real-api-server.ts";

const SNAPSHOT = join(FIXTURES, "k120-broad/snapshot.db.gz");

interface Item {
  readonly metadata: { readonly name: string; readonly namespace?: string; readonly resourceVersion: string };
}
interface Answer {
  readonly kind: string;
  readonly metadata: Record<string, unknown>;
  readonly items: readonly Item[] | null;
  readonly columnDefinitions: readonly Record<string, unknown>[];
  readonly rows: readonly { readonly cells: readonly unknown[]; readonly object: Item }[] | null;
}

/** What a 1.20 server prints and newer ones do not, or the other way round. */
const CHANGED: ReadonlySet<string> = new Set([
  "pods volumes.all", // .projected.defaultMode is a default that is set while reading
  "statefulsets", // .status.availableReplicas is new, and templates of claims have no kind any more
  "cronjobs via-v2alpha1", // history limits are defaults that are set while reading
  "ingressclasses", // .spec.parameters.scope is new
]);

const plain = (value: unknown): unknown => {
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== "object" || value === null) return value;
  // Older servers print a time that is not set.
  const fields = Object.entries(value).filter(([name, each]) => !(name === "creationTimestamp" && each === null));
  return Object.fromEntries(fields.map(([name, each]) => [name, plain(each)]));
};

const isOfThen = HAS_API_SERVER && (await findKubernetes()).minor === 20;

describe.skipIf(!isOfThen)("beside a real API server", () => {
  let real: RealApiServer;
  let ours: TestServer;
  beforeAll(async () => {
    ours = await serveFile(SNAPSHOT);
    real = await startRealApiServer(SNAPSHOT);
  }, 120_000);
  afterAll(async () => {
    await ours?.stop();
    await real?.stop();
  });

  const both = async (path: string, accept = "application/json"): Promise<readonly [Answer, Answer]> => {
    const theirs = JSON.parse((await real.fetch(path, { accept })).body.toString("utf8")) as Answer;
    return [(await (await ours.fetch(path, { accept })).json()) as Answer, theirs];
  };
  /** What the real server has written since it started is not in the snapshot. */
  const isOld = ({ metadata }: Item) => Number(metadata.resourceVersion) <= ours.lastRevision;
  const key = ({ metadata }: Item) => `${metadata.namespace ?? ""}/${metadata.name}`;
  const resources = async (): Promise<readonly { readonly path: string; readonly plural: string }[]> => {
    const { groups } = JSON.parse((await real.fetch("/apis")).body.toString("utf8"));
    const versions = [
      "/api/v1",
      ...groups.flatMap((group: { versions: { groupVersion: string }[] }) =>
        group.versions.map((each) => `/apis/${each.groupVersion}`),
      ),
    ];
    const found: { path: string; plural: string }[] = [];
    for (const version of versions) {
      const answer = await ours.fetch(version);
      if (answer.status === 404) continue;
      const list = (await answer.json()) as { resources: { name: string; verbs: string[] }[] };
      const their = JSON.parse((await real.fetch(version)).body.toString("utf8")) as typeof list;
      const known = new Set(their.resources.map(({ name }) => name));
      for (const { name, verbs } of list.resources) {
        if (!name.includes("/") && verbs.includes("list") && known.has(name))
          found.push({ path: `${version}/${name}`, plural: name });
      }
    }
    return found;
  };

  test("every object of every kind is the same JSON", async () => {
    let compared = 0;
    for (const { path, plural } of await resources()) {
      if (path.startsWith("/apis/conv.")) continue; // a conversion webhook that is not there
      const [mine, theirs] = await both(path);
      expect([path, mine.kind, Object.keys(mine)]).toEqual([path, theirs.kind, Object.keys(theirs)]);
      expect(Object.keys(mine.metadata)).toEqual(Object.keys(theirs.metadata));
      const byKey = new Map((mine.items ?? []).map((item) => [key(item), item]));
      for (const item of (theirs.items ?? []).filter(isOld)) {
        const own = byKey.get(key(item));
        if (own === undefined || CHANGED.has(plural) || CHANGED.has(`${plural} ${item.metadata.name}`)) {
          expect(own, `${path} ${key(item)}`).toBeDefined();
          continue;
        }
        // The text, so that the order of fields counts.
        expect(JSON.stringify(plain(own)), `${path} ${key(item)}`).toBe(JSON.stringify(plain(item)));
        compared++;
      }
    }
    expect(compared).toBeGreaterThan(650);
  });

  test("a watch over a WebSocket sends the same messages", async () => {
    const path = "/api/v1/namespaces/shop/pods?watch=1&timeoutSeconds=3";
    const of = ({ server, token }: { readonly server: string; readonly token: string }, wanted?: number) =>
      watchSocket(server, path, { authorization: `Bearer ${token}` }, ["base64.binary.k8s.io"], wanted);
    const mine = await of(ours);
    const theirs = await of(real, mine.messages.length); // a real server keeps to no timeout on a socket
    expect(theirs.messages.length).toBeGreaterThan(3);
    expect(mine.protocol).toBe(theirs.protocol);
    const shown = (messages: readonly string[]) =>
      messages.map((each) => JSON.stringify(plain(JSON.parse(each))) + (each.endsWith("\n") ? "\n" : "")).sort();
    expect(shown(mine.messages)).toEqual(shown(theirs.messages));
  });

  test("columns that both have are of the same name, type and priority", async () => {
    let compared = 0;
    for (const { path } of await resources()) {
      if (path.startsWith("/apis/conv.")) continue;
      const [mine, theirs] = await both(path, "application/json;as=Table;v=v1;g=meta.k8s.io");
      const known = new Map(mine.columnDefinitions.map((column) => [column.name, column]));
      for (const { description: _, ...column } of theirs.columnDefinitions) {
        const own = known.get(column.name);
        if (own === undefined || (path === "/api/v1/pods" && column.name === "Restarts")) continue;
        if (column.name === "Attacher") continue; // was marked as a name
        if (path.endsWith("resourcequotas")) continue; // in another order now
        expect({ path, ...own }).toMatchObject({ path, ...column });
        compared++;
      }
    }
    expect(compared).toBeGreaterThan(250);
  });

  const KUBECTLS = [
    ["1.20", () => real.kubectl],
    ["1.36", () => findProgram("sid", "kubectl")],
  ] as const;
  const COMMANDS = [
    "describe pods -A",
    "describe deployments,daemonsets,replicasets -A",
    "describe services,endpoints -n shop",
    "describe nodes",
    "describe configmaps,secrets,serviceaccounts -n fx",
    "describe pv,pvc,storageclasses -A",
    "describe jobs -A",
    "describe networkpolicies,pdb,resourcequotas,limitranges -A",
    "describe roles,rolebindings -A",
    "describe priorityclasses,csr",
    "describe hpa -A",
    "describe widgets -A",
    "get pods -A -l app=web -o yaml",
    "get events -n shop -o json",
    "get deploy,sts -n shop -o jsonpath={.items[*].metadata.name}",
    "get pods -A --sort-by=.metadata.name -o name",
    "get nodes -o custom-columns=N:.metadata.name,C:.status.capacity.cpu",
    "get svc -A --field-selector metadata.namespace=shop -o name",
    "get pods -A --chunk-size=2 -o name",
    "rollout history deployment/web -n shop",
    "rollout status deployment/web -n shop --watch=false",
  ];

  /** Ours has versions that 1.20 does not know, and kubectl 1.36 asks for these. */
  const NEWER = new Set([
    "describe hpa -A",
    "describe services,endpoints -n shop",
    "describe networkpolicies,pdb,resourcequotas,limitranges -A",
  ]);

  test.each(KUBECTLS.flatMap(([version, find]) => COMMANDS.map((command) => [version, command, find] as const)))(
    "kubectl %s %s",
    async (version, command, find) => {
      const program = find();
      if (program === undefined || (version === "1.36" && NEWER.has(command))) return;
      const run = (kubeconfig: string): Promise<ProgramResult> =>
        runProgram(program, command.split(" "), { KUBECONFIG: kubeconfig, HOME: join(kubeconfig, "..") });
      const [mine, theirs] = [await run(ours.kubeconfig), await run(real.kubeconfig)];
      expect(mine.code).toBe(theirs.code);
      const [a, b] = [settled(mine.stdout), settled(theirs.stdout)];
      // Kubectl 1.20 prints config maps and limits in the order of Go's maps, which is random.
      if (command.includes("configmaps") || command.includes("limitranges"))
        expect([...a].sort()).toEqual([...b].sort());
      else expect(a).toEqual(b);
    },
  );
});

/** Lines of an output without what differs between two moments or two releases. */
function settled(text: string): string[] {
  return text
    .split("\n")
    .map((line) => line.replace(/\b\d+(y|d|h|m|s)(\d+[dhms])*\b/g, "AGE").replace(/ +$/, ""))
    .map((line) => line.replace(/0xc[0-9a-f]+/g, "POINTER"))
    .filter(
      (line) =>
        !/^\s*"?(creationTimestamp"?: null|Creation Timestamp: {2}<nil>|resourceVersion|uid|selfLink)/.test(line),
    );
}
