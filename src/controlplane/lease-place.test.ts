import { describe, expect, test } from "vitest";
import type { JsonObject } from "../kube/object.ts";
import { electionConfigOf, leaseInLog, leasePlaceOf } from "./lease-place.ts";

test.each([
  ["nothing known", undefined, { namespace: "kube-system", name: "kube-scheduler", elects: true }],
  ["no flags", [], { namespace: "kube-system", name: "kube-scheduler", elects: true }],
  ["no election", ["--leader-elect=false"], { elects: false }],
  [
    "elsewhere",
    ["--leader-elect-resource-name=s", "--leader-elect-resource-namespace", "x"],
    { namespace: "x", name: "s", elects: true },
  ],
])("where the lease is: %s", (_, flags, expected) => {
  const spec = flags && { containers: [{ name: "kube-scheduler", command: ["kube-scheduler", ...flags] }] };
  expect(leasePlaceOf("kube-scheduler", spec)).toMatchObject(expected);
});

const USUAL = { namespace: "kube-system", name: "kube-scheduler", elects: true };

function scheduler(flags: readonly string[], more: JsonObject = {}, volumes: JsonObject[] = []): JsonObject {
  const container = { name: "kube-scheduler", command: ["kube-scheduler", ...flags], ...more };
  return { containers: [container], volumes };
}

describe("by its configuration file", () => {
  const place = (config: string | undefined, ...flags: string[]) =>
    leasePlaceOf("kube-scheduler", scheduler(["--config=/c/config.yaml", ...flags]), config, "was not read");
  test.each<[string, string, readonly string[], object]>([
    ["a name", "leaderElection: {resourceName: ours}", [], { ...USUAL, name: "ours" }],
    [
      "a namespace, as OpenShift",
      "leaderElection:\n  resourceNamespace: openshift-x\n",
      [],
      { ...USUAL, namespace: "openshift-x" },
    ],
    ["nothing of it", "kind: KubeSchedulerConfiguration", [], USUAL],
    ["without election", "leaderElection: {leaderElect: false}", [], { ...USUAL, elects: false }],
    ["without election, as YAML 1.1 has it", "leaderElection: {leaderElect: no}", [], { ...USUAL, elects: false }],
    [
      "fields of v1alpha1",
      "leaderElection: {lockObjectName: old, lockObjectNamespace: o}",
      [],
      { namespace: "o", name: "old", elects: true },
    ],
    ["JSON", '{"leaderElection":{"resourceName":"ours"}}', [], { ...USUAL, name: "ours" }],
    [
      "a flag that says the same",
      "leaderElection: {resourceName: ours}",
      ["--leader-elect-resource-name=ours"],
      { ...USUAL, name: "ours" },
    ],
  ])("%s", (_, config, flags, expected) => expect(place(config, ...flags)).toEqual(expected));

  test.each<[string, string | undefined, readonly string[], string]>([
    ["not read", undefined, [], "was not read"],
    ["no YAML", "a: [", [], "cannot be understood"],
    ["empty", "", [], "cannot be understood"],
    [
      "a flag that says otherwise",
      "leaderElection: {resourceName: ours}",
      ["--leader-elect-resource-name=theirs"],
      "name different leases",
    ],
  ])("in doubt: %s", (_, config, flags, doubt) => expect(place(config, ...flags).doubt).toContain(doubt));

  test("OpenShift's controller manager", () => {
    const spec = {
      containers: [
        { name: "kube-controller-manager", command: ["hyperkube", "kube-controller-manager", "--openshift-config=/c"] },
      ],
    };
    const config = 'extendedArguments: {leader-elect-resource-name: [ours], leader-elect: ["true"]}';
    expect(leasePlaceOf("kube-controller-manager", spec, config)).toEqual({ ...USUAL, name: "ours" });
    expect(leasePlaceOf("kube-controller-manager", spec).doubt).toContain('"/c"');
  });
});

describe("in doubt by its command line", () => {
  test.each<[string, JsonObject, string]>([
    ["a script", { command: ["/run.sh"] }, 'runs "/run.sh"'],
    [
      "a variable of the shell",
      { command: ["sh", "-c", "kube-scheduler --leader-elect-resource-name=$NAME"] },
      '"$NAME"',
    ],
    [
      "a variable from elsewhere",
      { args: ["--leader-elect-resource-name=$(NAME)"], command: undefined, env: [{ name: "NAME", valueFrom: {} }] },
      '"$(NAME)"',
    ],
  ])("%s", (_, more, doubt) => expect(leasePlaceOf("kube-scheduler", scheduler([], more)).doubt).toContain(doubt));

  test("a variable with a value is no doubt", () => {
    const spec = scheduler(["--leader-elect-resource-name=$(NAME)"], { env: [{ name: "NAME", value: "ours" }] });
    expect(leasePlaceOf("kube-scheduler", spec)).toEqual({ ...USUAL, name: "ours" });
  });

  test("nor is an image that has the program as its entry point", () => {
    const spec = scheduler([], { command: undefined, args: ["--leader-elect-resource-name=ours"] } as JsonObject);
    expect(leasePlaceOf("kube-scheduler", spec)).toEqual({ ...USUAL, name: "ours" });
  });
});

describe("where the file is", () => {
  const at = (mount: JsonObject, volume: JsonObject) =>
    electionConfigOf(
      "kube-scheduler",
      scheduler(["--config", "/etc/sched/config.yaml"], { volumeMounts: [{ name: "c", ...mount }] }, [
        { name: "c", ...volume },
      ]),
    )?.source;
  test.each<[string, JsonObject, JsonObject, object]>([
    [
      "a config map",
      { mountPath: "/etc/sched" },
      { configMap: { name: "m" } },
      { kind: "ConfigMap", name: "m", key: "config.yaml" },
    ],
    [
      "one of its items",
      { mountPath: "/etc/sched/" },
      { configMap: { name: "m", items: [{ key: "k", path: "config.yaml" }] } },
      { kind: "ConfigMap", name: "m", key: "k" },
    ],
    [
      "mounted by sub path",
      { mountPath: "/etc/sched/config.yaml", subPath: "x.yaml" },
      { configMap: { name: "m" } },
      { kind: "ConfigMap", name: "m", key: "x.yaml" },
    ],
    [
      "a secret",
      { mountPath: "/etc/sched" },
      { secret: { secretName: "s" } },
      { kind: "Secret", name: "s", key: "config.yaml" },
    ],
    [
      "projected",
      { mountPath: "/etc/sched" },
      { projected: { sources: [{ configMap: { name: "m" } }] } },
      { kind: "ConfigMap", name: "m", key: "config.yaml" },
    ],
    [
      "a directory of the node",
      { mountPath: "/etc/sched" },
      { hostPath: { path: "/etc/k8s/" } },
      { kind: "node", path: "/etc/k8s/config.yaml" },
    ],
    [
      "a file of the node",
      { mountPath: "/etc/sched/config.yaml" },
      { hostPath: { path: "/a.yaml" } },
      { kind: "node", path: "/a.yaml" },
    ],
    ["another volume", { mountPath: "/etc/sched" }, { emptyDir: {} }, { kind: "unknown" }],
    ["the image", { mountPath: "/etc/schedule" }, { configMap: { name: "m" } }, { kind: "unknown" }],
  ])("%s", (_, mount, volume, expected) => expect(at(mount, volume)).toEqual(expected));

  test("flags alone", () => expect(electionConfigOf("kube-scheduler", scheduler([]))).toBeUndefined());
});

test.each([
  [
    "I1121 12:00:00.0 1 leaderelection.go:243] attempting to acquire leader lease kube-system/kube-scheduler...",
    "kube-scheduler",
  ],
  ["attempting to acquire leader lease  kube-system/our.sched-1...", "our.sched-1"],
  ["leaderelection.go:253] successfully acquired lease kube-system/kube-scheduler\n", "kube-scheduler"],
  ['leaderelection.go:258] "Attempting to acquire leader lease..." lock="kube-system/ours"', "ours"],
  ['{"ts":1,"msg":"Successfully acquired lease","lock":"kube-system/ours"}', "ours"],
  ["nothing of it", undefined],
])("what a log says: %s", (line, name) => {
  const expected = name === undefined ? undefined : { namespace: "kube-system", name };
  expect(leaseInLog(`I1121 starting\n${line}\nmore`)).toEqual(expected);
});
