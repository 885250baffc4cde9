import { expect, test } from "vitest";
import { type AssetAccess, accessProblems } from "./asset-access.ts";
import { checkCluster } from "./cluster/cluster.ts";
import { renderCluster } from "./cluster/render-cluster.ts";
import { type AssetFile, planStart } from "./start-plan.ts";

const NOW = new Date("2026-11-21T12:00:00Z");
const ours = await assets();
const others = await assets();
const plan = planStart(ours, NOW);
const text = (files: readonly AssetFile[], path: string) =>
  new TextDecoder().decode(files.find((file) => file.path === path)?.bytes);
const ACCESS: AssetAccess = {
  host: "10.0.0.10",
  ca: text(ours, "tls/ca.crt"),
  certificate: text(ours, "tls/admin.crt"),
};

async function assets(): Promise<AssetFile[]> {
  const cluster = checkCluster({
    clusterName: "local",
    apiServers: ["https://10.0.0.10:6443"],
    altNames: undefined,
    etcdServers: ["https://10.0.0.5:2379"],
    podCidrs: ["10.2.0.0/16"],
    serviceCidrs: ["10.3.0.0/24"],
    networkProvider: "none",
    cloudProvider: "",
    kubernetesVersion: "v1.34.2",
    images: {},
    checkpointer: false,
    keyAlgorithm: "ecdsa-p256",
    certificateDays: 365,
    now: NOW,
  });
  const rendered = await renderCluster(cluster, {}, []);
  return rendered.map(({ path, content }) => ({ path, bytes: content as Uint8Array, isExecutable: false }));
}

test("what was rendered together fits", () => {
  expect(accessProblems(plan, ACCESS, NOW.getTime())).toEqual([]);
});

test.each<[string, Partial<AssetAccess>, RegExp[]]>([
  [
    "the authority of another cluster",
    { ca: text(others, "tls/ca.crt") },
    [/certificate, tls\/secrets\/kube-apiserver\/apiserver.crt, is of an authority ".*" whose key is another/],
  ],
  ["another host", { host: "10.0.0.99" }, [/is not for "10.0.0.99", but for .*10.0.0.10/]],
  [
    "a client certificate of another cluster",
    { certificate: text(others, "tls/admin.crt") },
    [/its client certificate is of an authority ".*" whose key is another/],
  ],
  [
    "a server's certificate as the client's",
    { certificate: text(ours, "tls/apiserver.crt") },
    [/not made for a client/],
  ],
  ["neither authority nor certificate", { ca: undefined, certificate: undefined }, []],
])("%s", (_, change, messages) => {
  const problems = accessProblems(plan, { ...ACCESS, ...change }, NOW.getTime());
  expect(problems).toEqual(messages.map((message) => expect.stringMatching(message)));
});

test("a client certificate that has expired", () => {
  const later = Date.parse("2027-11-22T12:00:00Z");
  expect(accessProblems(plan, { ...ACCESS, ca: undefined }, later)).toEqual([
    expect.stringMatching(/its client certificate expired \d+ h ago/),
  ]);
});

test("an API server whose files are not among the assets is not judged", () => {
  expect(
    accessProblems({ ...plan, secrets: [] }, { ...ACCESS, ca: text(others, "tls/ca.crt") }, NOW.getTime()),
  ).toEqual([]);
});
