import { describe, expect, test } from "vitest";
import {
  abandoned,
  certificate,
  cluster,
  component,
  facts,
  local,
  localComponent,
  node,
} from "../../test/healthy-facts.ts";
import { input } from "../errors/input.ts";
import { diagnose } from "./diagnose.ts";
import { judgeCluster, type MemberHealth } from "./etcd-health.ts";
import type { Facts, LocalComponent, LocalFacts } from "./facts.ts";

const PKI = ["pki/ca.key", "pki/sa.key", "pki/etcd/ca.key"].map((path) => `/etc/kubernetes/${path}`);
const CONFIGS = ["controller-manager.conf", "scheduler.conf", "pki/apiserver.crt"].map(
  (path) => `/etc/kubernetes/${path}`,
);
const silent: Facts["api"] = { ...facts().api!, isLocal: true, outcome: { state: "unreachable", text: "refused" } };
const noEtcd: Facts["etcd"] = {
  ...facts().etcd!,
  endpoints: ["https://127.0.0.1:2379"],
  health: { error: "nothing listens there", hangs: false },
};

/** A kubeadm machine as it is minutes after these manifests were deleted: no process, no logs. */
function without(names: readonly LocalComponent["name"][], given: Partial<LocalFacts> = {}): LocalFacts {
  const server = localComponent("kube-apiserver", {
    process: undefined,
    flags: [{ name: "etcd-servers", value: "https://127.0.0.1:2379" }],
  });
  const components = [
    localComponent("etcd"),
    server,
    localComponent("kube-controller-manager"),
    localComponent("kube-scheduler"),
  ];
  return local({
    components: components.filter(({ name }) => !names.includes(name)),
    files: [...PKI, ...CONFIGS],
    ...given,
  });
}
const all = (given: Facts) => diagnose(given).troubles;
const codes = (given: Facts) => all(given).map(({ code }) => code);
const printed = (given: Facts) =>
  all(given)
    .flatMap(({ commands, advice }) => [...commands, advice ?? ""])
    .join("\n");

describe("a manifest that is gone, and its pod's logs with it", () => {
  test("etcd's: the API server here dials it here", () => {
    const given = facts({ api: silent, cluster: undefined, etcd: noEtcd, local: without(["etcd"], { files: [] }) });
    expect(codes(given)).toEqual(["etcd-manifest-missing"]);
    expect(all(given)[0]!.evidence).toContain(
      "etcd: the API server here is configured to use etcd at https://127.0.0.1:2379",
    );
    expect(printed(given)).not.toContain("systemctl");
  });

  test.each(["kube-scheduler", "kube-controller-manager"] as const)("%s's: its kubeconfig is there", (name) => {
    const running = without([name], {
      components: [localComponent("etcd"), localComponent("kube-apiserver")],
      files: CONFIGS.filter((path) => path.includes(name.replace("kube-", ""))),
    });
    const components = [abandoned(name, { workload: undefined, pods: [] })];
    const given = facts({ local: running, cluster: cluster({ components }) });
    expect(codes(given)).toEqual([`${name}-manifest-missing`]);
    expect(printed(given)).not.toContain("systemctl");
  });

  test("a scheduler's without any file: it held its lease from here, beside other static pods", () => {
    const components = [
      abandoned("kube-scheduler", { workload: undefined, pods: [] }),
      component("kube-controller-manager"),
    ];
    const given = facts({ local: without(["kube-scheduler"], { files: [] }), cluster: cluster({ components }) });
    expect(codes(given)).toContain("kube-scheduler-manifest-missing");
    expect(printed(given)).not.toContain("systemctl");
  });

  test("the API server still has the mirror pod", () => {
    const staticPods = [{ component: "kube-scheduler" as const, node: "master1" }];
    const given = facts({ local: without(["kube-scheduler"], { files: [] }), cluster: cluster({ staticPods }) });
    expect(codes(given)).toContain("kube-scheduler-manifest-missing");
  });

  test("the API server shows the others and not this one: etcd cannot give it back, a backup can", () => {
    const own = { component: "kube-scheduler" as const, node: "master1" };
    const other = { component: "kube-apiserver" as const, node: "master1" };
    const given = (staticPods: readonly (typeof own | typeof other)[]) =>
      facts({ local: without(["kube-scheduler"]), cluster: cluster({ staticPods: [...staticPods] }) });
    expect(printed(given([other]))).toContain(input("etcdBackupFile"));
    expect(diagnose(given([other])).troubles[0]!.advice).toContain("the kubelet has deleted the mirror pod");
    expect(printed(given([other, own]))).not.toContain(input("etcdBackupFile"));
  });

  test("all of them, and all leaf certificates: one trouble, one recovery", () => {
    const given = facts({
      ...{ api: undefined, cluster: undefined, etcd: undefined, certificates: [] },
      local: local({ components: [], files: PKI }),
    });
    const { verdict, troubles } = diagnose(given);
    expect([verdict, troubles.map(({ code }) => code)]).toEqual(["broken", ["manifests-missing"]]);
    for (const name of ["etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler"]) {
      expect(troubles[0]!.text).toContain(name);
      expect(troubles[0]!.commands.join("\n")).toContain(`manifests/${name}.yaml /etc/kubernetes/manifests/`);
    }
    expect(troubles[0]!.commands.filter((line) => line.includes("kubemend recover"))).toHaveLength(1);
  });

  test("is no consequence of a kubelet that is stopped", () => {
    const { kubelet } = local();
    const given = facts({ local: without(["kube-scheduler"], { kubelet: { ...kubelet, process: undefined } }) });
    expect(codes(given)).toEqual(expect.arrayContaining(["kubelet-stopped", "kube-scheduler-manifest-missing"]));
  });
});

describe("where nothing says so, nothing is missed", () => {
  test.each<[string, LocalFacts]>([
    ["a worker of kubeadm", local({ components: [], files: [] })],
    [
      "a machine for etcd alone",
      local({ components: [localComponent("etcd")], files: ["/etc/kubernetes/pki/etcd/server.crt"] }),
    ],
    [
      "services",
      local({
        components: [localComponent("kube-apiserver", { manifest: undefined, unit: "kube-apiserver.service" })],
        files: PKI,
      }),
    ],
    [
      "an API server with etcd elsewhere",
      local({
        components: [
          localComponent("kube-apiserver", { flags: [{ name: "etcd-servers", value: "https://10.0.0.9:2379" }] }),
        ],
        etcdData: { path: "/var/lib/etcd", isGuess: false, state: "absent" },
      }),
    ],
  ])("%s", (_, machine) => expect(codes(facts({ local: machine }))).toEqual([]));
});

const ANSWER = {
  ...{ version: "3.6.13", dbSize: 1, dbSizeInUse: 1, dbSizeQuota: null, leader: "2", clusterId: "c", raftTerm: 1 },
  ...{ raftIndex: 9, raftAppliedIndex: 9, revision: 9, errors: [], latencyMilliseconds: 1, hash: null },
};
const member = (id: string, answers: boolean, hangs = false): MemberHealth => ({
  ...{ id, name: `master${id}`, isLearner: false, endpoint: `https://10.0.0.${id}:2379` },
  ...{ status: answers ? ANSWER : null, error: answers ? null : "no answer", hangs },
});
const members = (...list: MemberHealth[]): Facts["etcd"] => ({
  ...facts().etcd!,
  health: { ...judgeCluster(list, []), members: list },
});

describe("etcd's manifest is gone, and its data", () => {
  const gone = (state: LocalFacts["etcdData"]["state"], etcd: Facts["etcd"]) => {
    const machine = without(["etcd"], { etcdData: { path: "/var/lib/etcd", isGuess: false, state } });
    const found = all(facts({ api: silent, cluster: undefined, etcd, local: machine }));
    return found.find(({ code }) => code === "etcd-manifest-missing")!;
  };
  const COPY = "sudo cp /var/lib/kubemend/recovered/nodes/master1/manifests/etcd.yaml /etc/kubernetes/manifests/";

  test("is there: the manifest brings it back", () => {
    const { commands, evidence } = gone("member", noEtcd);
    expect(commands.at(-1)).toBe(COPY);
    expect(evidence).toContain("etcd's data is there: /var/lib/etcd/member");
  });

  test.each(["empty", "absent"] as const)(
    "is %s, and no member lives: nothing that is printed starts an etcd",
    (state) => {
      const { commands, advice, evidence } = gone(state, noEtcd);
      expect(commands).toHaveLength(1);
      expect(commands[0]).toContain("kubemend recover");
      expect(evidence.join("\n")).toContain("etcd's data is gone");
      expect(advice).toContain(`kubemend snapshot restore BACKUP.db ${input("dataDir")}=/var/lib/etcd`);
    },
  );

  test("is not where kubeadm has it, and nothing says where it is: it may be elsewhere", () => {
    const machine = without(["etcd"], { etcdData: { path: "/var/lib/etcd", isGuess: true, state: "absent" } });
    const found = all(facts({ api: silent, cluster: undefined, etcd: noEtcd, local: machine }));
    const { advice, evidence } = found.find(({ code }) => code === "etcd-manifest-missing")!;
    expect(evidence).toContain("etcd's data is not where kubeadm has it: there is no /var/lib/etcd");
    expect(advice).toMatch(/^first make sure that its data is in no other directory here/);
  });

  test("is gone, and the others live: the member is removed and added first", () => {
    const { commands, advice } = gone("empty", members(member("1", false), member("2", true), member("3", true)));
    expect(commands[0]).toContain("member remove 1");
    expect(commands[1]).toContain(`member add master1 ${input("peerUrls")}=https://10.0.0.1:2380`);
    expect(commands.at(-1)).toBe(COPY);
    expect(advice).toContain("--initial-cluster-state=existing");
  });

  test("cannot be seen: nothing that is printed starts an etcd", () => {
    expect(gone("unreadable", noEtcd).commands.join("\n")).not.toContain("sudo cp");
  });
});

describe("members of static pods on other machines", () => {
  test("are looked at there, and no service is named", () => {
    const machine = without([], { components: local().components });
    const given = facts({ etcd: members(member("1", true), member("2", false), member("3", true)), local: machine });
    expect(all(given).map(({ commands }) => commands)).toEqual([["ssh 10.0.0.2 sudo kubemend diagnose"]]);
  });

  test("so is a scheduler that nobody has a pod of", () => {
    const staticPods = [{ component: "kube-apiserver" as const, node: "master2" }];
    const components = [abandoned("kube-scheduler", { workload: undefined, pods: [] })];
    const given = facts({ cluster: cluster({ components, staticPods }) });
    expect(all(given)[0]!.commands).toEqual(["kubemend rescue scheduler"]);
    expect(printed(given)).toContain("on master1, sudo kubemend diagnose");
  });
});

describe("an etcd that hangs is not started", () => {
  const here = (given: Partial<LocalComponent>, more: Partial<LocalFacts> = {}) =>
    all(
      facts({
        etcd: members(member("1", false, true), member("2", true), member("3", true)),
        local: local({ components: [localComponent("etcd", given)], ...more }),
      }),
    )[0]!;
  const process = { pid: 100, ageMilliseconds: 1e6, state: "alive" } as const;

  test("stopped by a signal", () => {
    expect(here({ process: { ...process, state: "stopped" } }).commands).toEqual(["sudo kill -CONT 100"]);
  });
  test("a static pod", () => expect(here({ process }).commands).toEqual(["sudo kill -KILL 100"]));
  test("a service", () => {
    const service = { process, manifest: undefined, unit: "etcd.service" };
    expect(here(service).commands).toEqual(["sudo systemctl restart etcd"]);
    expect(here(service, { serviceManager: "openrc" }).commands).toEqual(["sudo rc-service etcd restart"]);
  });
  test("its disk is looked at first where it waits for that", () => {
    expect(here({ process: { ...process, state: "disk" } }).advice).toContain("disk");
  });
  test("elsewhere", () => {
    const etcd = members(member("1", true), member("2", false, true), member("3", true));
    expect(all(facts({ etcd }))[0]!.commands).toEqual(["ssh 10.0.0.2 sudo systemctl restart etcd"]);
  });
});

test("no service manager, no command of one", () => {
  const none = { serviceManager: undefined, files: [] } as const;
  const dead = (name: LocalComponent["name"]) => localComponent(name, { process: undefined, manifest: undefined });
  const { kubelet } = local();
  const given = [
    facts({ api: silent, cluster: undefined, local: local({ components: [dead("kube-apiserver")], ...none }) }),
    facts({ local: local({ kubelet: { ...kubelet, process: undefined }, components: [], ...none }) }),
    facts({
      api: { ...silent, outcome: { state: "silent", seconds: 3 } },
      cluster: undefined,
      local: local({ components: [], ...none }),
    }),
    facts({
      cluster: cluster({ nodes: [node("master1", { ready: "False" })] }),
      local: local({ components: [], ...none }),
    }),
    facts({
      certificates: [certificate({ owner: "kubelet", notAfter: 0 })],
      local: local({ components: [], ...none }),
    }),
    facts({ certificates: [certificate({ notBefore: 4e12 })], local: local({ components: [], ...none }) }),
  ];
  for (const each of given) {
    expect(all(each).length).toBeGreaterThan(0);
    expect(printed(each)).not.toContain("systemctl");
    for (const { commands, advice } of all(each)) expect(commands.length > 0 || advice !== undefined).toBe(true);
  }
});

test.each([
  ["Talos (v1.9.1)", "talosctl -n 10.0.0.2 service kubelet restart"],
  ["Alpine Linux v3.21", "ssh 10.0.0.2 sudo rc-service kubelet restart"],
  ["Windows Server 2022 Datacenter", "ssh 10.0.0.2 powershell Restart-Service kubelet"],
  ["Debian GNU/Linux 12 (bookworm)", "ssh 10.0.0.2 sudo systemctl restart kubelet"],
])("a kubelet of %s", (osImage, command) => {
  const given = facts({ cluster: cluster({ nodes: [node("node2", { ready: "Unknown", osImage })] }) });
  expect(all(given).flatMap(({ commands }) => commands)).toEqual([command]);
});

describe("consequences are no causes", () => {
  const log = (line: string) => ({
    path: "/l",
    staticPod: true,
    restarts: 4,
    lastLines: [line],
    ageMilliseconds: 1000,
  });
  const leader = (name: LocalComponent["name"]) =>
    localComponent(name, { process: undefined, log: log("leaderelection lost") });

  test("leaders that lose their lease while etcd is away", () => {
    const components = [
      localComponent("etcd", { process: undefined, log: log("panic") }),
      localComponent("kube-apiserver", { process: undefined, log: log("no etcd") }),
      leader("kube-scheduler"),
      leader("kube-controller-manager"),
    ];
    const given = facts({ api: silent, cluster: undefined, etcd: noEtcd, local: local({ components }) });
    expect(codes(given)).toEqual(["etcd-crash-loop"]);
  });

  test("nor is there anything to edit in their manifests", () => {
    const given = facts({ local: local({ components: [leader("kube-scheduler")] }) });
    expect(printed(given)).not.toContain("sudoedit");
    const orderly = localComponent("kube-controller-manager", {
      process: undefined,
      log: log("I1129 10:42:17 daemon_controller.go:299] Shutting down daemon sets controller"),
    });
    expect(printed(facts({ local: local({ components: [orderly] }) }))).not.toContain("sudoedit");
    const wrong = localComponent("kube-controller-manager", {
      process: undefined,
      log: log("Error: unknown flag: --no-such-flag"),
    });
    expect(printed(facts({ local: local({ components: [wrong] }) }))).toContain("no-such-flag");
  });

  const AWAY = [
    'E1130 07:49:20 run.go:72] "command failed" err="unable to load configmap based request-header-client-ca-file: ' +
      'Get https://10.0.0.1:6443/api: dial tcp 10.0.0.1:6443: connect: connection refused"',
    'E1130 07:49:20 run.go:72] "command failed" err="Get https://10.0.0.1:6443/api: stream error: stream ID 1; INTERNAL_ERROR"',
    "error: timed out waiting for the condition",
    '"leaderelection lost/stopped"',
  ];
  test.each(AWAY)("what ended because the API server was away is only to be started again: %s", (line) => {
    const crashed = localComponent("kube-controller-manager", { process: undefined, log: log(line) });
    const systemd = local({ components: [crashed], serviceManager: "systemd" });
    const [trouble] = all(facts({ local: systemd }));
    expect(trouble).toMatchObject({
      code: "kube-controller-manager-crash-loop",
      commands: ["sudo systemctl restart kubelet"],
    });
    expect(trouble!.advice).toMatch(/the API server, which answers now: .* at most 5 minutes/);
    const away = all(facts({ api: silent, cluster: undefined, local: systemd }));
    expect(away.flatMap(({ commands }) => commands).join("\n")).not.toMatch(/restart kubelet|controller-manager.yaml/);
  });

  test("an API server that ended because etcd was away, likewise; an etcd whose words speak of peers, not", () => {
    const words = '"command failed" err="context deadline exceeded"';
    const crashed = (name: LocalComponent["name"]) =>
      local({ components: [localComponent(name, { process: undefined, log: log(words) })], serviceManager: "systemd" });
    const commandsOf = (given: Facts) => all(given).flatMap(({ commands }) => commands);
    const apiServer = { api: silent, cluster: undefined, local: crashed("kube-apiserver") };
    expect(commandsOf(facts(apiServer))).toContain("sudo systemctl restart kubelet");
    expect(commandsOf(facts({ ...apiServer, etcd: noEtcd })).join("\n")).not.toContain("restart kubelet");
    expect(commandsOf(facts({ local: crashed("etcd") })).join("\n")).toContain("sudoedit");
  });

  test("a node that is not ready is none of another node's certificate", () => {
    const expired = certificate({ owner: "kubelet", node: "master1", notAfter: 0 });
    const given = facts({
      cluster: cluster({ nodes: [node("node2", { ready: "Unknown" })] }),
      certificates: [expired],
    });
    expect(codes(given).sort()).toEqual(["certificate-expired", "node-not-ready"]);
    const same = facts({
      cluster: cluster({ nodes: [node("master1", { ready: "Unknown" })] }),
      certificates: [expired],
    });
    expect(codes(same)).toEqual(["certificate-expired"]);
  });
});

test("a scheduler whose Deployment was deleted, beside others that run on the cluster", () => {
  const components = [
    component("kube-controller-manager"),
    abandoned("kube-scheduler", { workload: undefined, pods: [] }),
  ];
  const [trouble] = all(facts({ cluster: cluster({ components }) }));
  expect(trouble).toMatchObject({ code: "scheduler-down", commands: ["kubemend rescue scheduler"] });
  expect(trouble!.advice).toContain("its Deployment is gone: create it again");
});

test("a component that works by its rescue pod alone is broken", () => {
  const [own] = component("kube-scheduler").pods as readonly [ReturnType<typeof component>["pods"][0]];
  const standIn = { ...own, name: "kube-scheduler-rescue", isRescuePod: true };
  const given = (...pods: (typeof own)[]) =>
    facts({ cluster: cluster({ components: [component("kube-scheduler", { pods })] }) });
  expect(codes(given({ ...own, phase: "Pending", ready: false }, standIn))).toEqual(["scheduler-by-rescue-pod"]);
  expect(codes(given(standIn))).toEqual(["scheduler-by-rescue-pod"]);
  expect(diagnose(given(standIn)).verdict).toBe("broken");
  expect(codes(given(own, standIn))).toEqual([]);
});

describe("the verdict", () => {
  const verdict = (given: Partial<Facts>) => diagnose(facts(given)).verdict;
  test("nothing known, nothing reported", () => {
    expect(verdict({ api: undefined, cluster: undefined, etcd: undefined })).toBe("unknown");
    expect(diagnose(facts({ api: undefined, cluster: undefined, etcd: undefined })).healthy).toBe(false);
  });
  test("an API server that shows nothing of its cluster", () => {
    const unknown = (["scheduler", "controller-manager", "nodes", "workloads", "blockers"] as const).map((area) => ({
      area,
      text: "forbidden",
    }));
    expect(verdict({ etcd: undefined, unknown })).toBe("unknown");
    // With an etcd that is well, as on the API server's own machine.
    expect(verdict({ unknown })).toBe("unknown");
  });
  test("etcd alone is something", () => expect(verdict({ api: undefined, cluster: undefined })).toBe("healthy"));
  test("all well", () => expect(verdict({})).toBe("healthy"));
});

test("certificates that are gone are issued again, and why what needs them does not start", () => {
  const lostCertificates = ["/etc/kubernetes/pki/apiserver.crt", "/etc/kubernetes/pki/etcd/server.crt"];
  const log = { path: "/l", staticPod: true, restarts: 4, lastLines: ["no such file"], ageMilliseconds: 1000 };
  const components = [localComponent("kube-apiserver", { process: undefined, log })];
  const given = facts({
    api: silent,
    cluster: undefined,
    etcd: undefined,
    local: local({ components, lostCertificates }),
  });
  expect(codes(given)).toEqual(["certificate-missing"]);
  expect(all(given)[0]!.commands).toEqual(["sudo kubemend certificate issue"]);
});

test("an etcd that nobody here has a certificate for is not ended", () => {
  const etcd: Facts["etcd"] = {
    ...noEtcd!,
    health: { error: "it wants a client certificate", hangs: false, lacksCertificate: true },
  };
  const alone = diagnose(facts({ etcd, cluster: undefined, api: silent, local: undefined })).troubles;
  const [trouble] = alone.filter(({ code }) => code === "etcd-unreachable");
  expect([trouble!.commands, trouble!.consequence]).toEqual([[], "how etcd is cannot be seen from here"]);
  const lostCertificates = ["/etc/kubernetes/pki/apiserver-etcd-client.crt"];
  const given = facts({ etcd, local: local({ lostCertificates }) });
  expect(codes(given)).toEqual(["certificate-missing"]);
});

test("certificates that have expired do not expire in 0 s", () => {
  const { areas } = diagnose(
    facts({ certificates: [certificate({ notAfter: 0 }), certificate({ fingerprint: "BB" })] }),
  );
  expect(areas.find(({ area }) => area === "certificates")?.text).toBe(
    "2 looked at, 1 expired, the next expires in 300 d",
  );
});
