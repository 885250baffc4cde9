/** `recover` as a user runs it, on real snapshots and on made ones: what it writes, what it refuses, and that it changes nothing else. */
import { createHash } from "node:crypto";
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { gunzipSync } from "node:zlib";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { parse } from "yaml";
import { run } from "../src/cli/run.ts";
import type { JsonObject } from "../src/kube/object.ts";
import { companions, mirrorPod, node, secret, workload } from "./cluster-objects.ts";
import { kubemend } from "./kubemend.ts";
import { clusterEntries, encryptAesCbc, madeSnapshot } from "./made-snapshot.ts";

const FIXTURES = join(import.meta.dirname, "fixtures");
let base: string;
beforeEach(() => {
  base = mkdtempSync(join(tmpdir(), "kubemend-recover-"));
  writeFileSync(join(base, "kubeconfig"), "apiVersion: v1\nkind: Config\n");
});
afterEach(() => rmSync(base, { recursive: true, force: true }));

interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

async function recover(line: string, signal = new AbortController().signal): Promise<Outcome> {
  const out = { stdout: "", stderr: "" };
  const sink = (name: keyof typeof out) => ({
    isTTY: false,
    columns: undefined,
    async write(text: string) {
      out[name] += text;
    },
  });
  const now = () => Date.parse("2026-11-21T04:11:33Z");
  const host = { stdout: sink("stdout"), stderr: sink("stderr"), env: {}, cwd: base, now, signal };
  return { code: await run(["recover", ...line.split(" ")], host), ...out };
}

/** A fixture's snapshot, unpacked, as a file of the test's own. */
function fixture(name: string): string {
  writeFileSync(join(base, "backup.db"), gunzipSync(readFileSync(join(FIXTURES, name, "snapshot.db.gz"))));
  return "backup.db";
}

function files(directory = join(base, "out")): string[] {
  const found = readdirSync(directory, { recursive: true, withFileTypes: true });
  return found
    .filter((each) => each.isFile())
    .map((each) => relative(directory, join(each.parentPath, each.name)))
    .sort();
}

const COMMON = "--recovery-dir out --kubeconfig kubeconfig";
const made = (entries: Parameters<typeof madeSnapshot>[0]) =>
  writeFileSync(join(base, "backup.db"), madeSnapshot(entries));

describe("real snapshots", () => {
  test("self-hosted etcd: exactly the assets of the runbook, and the config map that these components mount", async () => {
    const { code, stdout, stderr } = await recover(`${COMMON} --etcd-backup-file ${fixture("selfhosted-etcd-k120")}`);
    expect([code, stderr]).toEqual([0, ""]);
    expect(files()).toEqual([
      ".kubemend-assets.json",
      "auth/kubeconfig",
      "bootstrap-manifests/bootstrap-etcd.yaml",
      "bootstrap-manifests/bootstrap-kube-apiserver.yaml",
      "bootstrap-manifests/bootstrap-kube-controller-manager.yaml",
      "bootstrap-manifests/bootstrap-kube-scheduler.yaml",
      "etcd/bootstrap-etcd-service.json",
      "etcd/migrate-etcd-cluster.json",
      "tls/config-maps/kubeconfig-in-cluster/kubeconfig",
      "tls/etcd-client-ca.crt",
      "tls/etcd-client.crt",
      "tls/etcd-client.key",
      "tls/etcd/peer-ca.crt",
      "tls/etcd/peer.crt",
      "tls/etcd/peer.key",
      "tls/etcd/server-ca.crt",
      "tls/etcd/server.crt",
      "tls/etcd/server.key",
      ...[
        "apiserver.crt",
        "apiserver.key",
        "ca.crt",
        "kubelet-client.crt",
        "kubelet-client.key",
        "service-account.key",
        "service-account.pub",
      ].map((key) => `tls/secrets/kube-apiserver/${key}`),
      ...["ca.crt", "ca.key", "service-account.key"].map((key) => `tls/secrets/kube-controller-manager/${key}`),
    ]);
    for (const path of files().filter((each) => !each.startsWith(".")))
      expect(stdout).toContain(`Writing asset: ${join(base, "out", path)}\n`);
    expect(stdout).toContain("Last sign:     1 h ago, at 2026-11-21T03:11:33Z");
    const service = JSON.parse(readFileSync(join(base, "out/etcd/bootstrap-etcd-service.json"), "utf8"));
    expect(service.spec.clusterIP).toBe("10.3.0.20");
  });

  test("self-hosted: every path on a command line is a file that was written", async () => {
    await recover(`${COMMON} --etcd-backup-file ${fixture("selfhosted-k120")}`);
    const answered = JSON.parse(
      gunzipSync(readFileSync(join(FIXTURES, "selfhosted-k120/kube-system.json.gz"))).toString(),
    );
    const key = answered.items.find(
      (each: JsonObject) => (each.metadata as JsonObject).name === "kube-controller-manager" && each.kind === "Secret",
    );
    expect(readFileSync(join(base, "out/tls/secrets/kube-controller-manager/ca.key")).toString("base64")).toBe(
      key.data["ca.key"],
    );
    let checked = 0;
    for (const component of ["kube-apiserver", "kube-controller-manager", "kube-scheduler"]) {
      const pod = parse(readFileSync(join(base, `out/bootstrap-manifests/bootstrap-${component}.yaml`), "utf8"));
      const [container] = pod.spec.containers;
      for (const argument of container.command) {
        const path = /^--[\w-]+=(\/.*)$/.exec(argument)?.[1];
        if (path === undefined) continue;
        const mount = container.volumeMounts.find((each: { mountPath: string }) =>
          `${path}/`.startsWith(`${each.mountPath}/`),
        );
        const volume = pod.spec.volumes.find((each: { name: string }) => each.name === mount.name);
        const host = volume.hostPath.path + path.slice(mount.mountPath.length);
        const inside = host.replace("/etc/kubernetes/bootstrap-secrets/", "");
        expect(files()).toContain(inside === "kubeconfig" ? "auth/kubeconfig" : `tls/${inside}`);
        checked++;
      }
    }
    expect(checked).toBe(13);
  });

  test("kubeadm: as JSON, with what the node needs besides", async () => {
    const { code, stdout } = await recover(`--recovery-dir out --etcd-backup-file ${fixture("kubeadm-k120")} -o json`);
    const result = JSON.parse(stdout);
    expect(code).toBe(0);
    expect(result).toMatchObject({
      flavour: "static-pods",
      versions: ["v1.20.2"],
      controlPlaneNodes: ["node1"],
      written: true,
      missing: [],
    });
    expect(result.hostFiles.node1.filter((each: JsonObject) => each.role === "input")).toHaveLength(12);
    expect(files(join(base, "out/nodes/node1"))).toEqual([
      "host-files.txt",
      "manifests/etcd.yaml",
      "manifests/kube-apiserver.yaml",
      "manifests/kube-controller-manager.yaml",
      "manifests/kube-scheduler.yaml",
    ]);
  });

  test("an archive: the boot member gets the unpacked backup, whose hash is not at its end", async () => {
    const backup = join(FIXTURES, "selfhosted-etcd-k120/snapshot.db.gz");
    await recover(`${COMMON} --etcd-backup-file ${backup}`);
    const whole = gunzipSync(readFileSync(backup));
    expect(readFileSync(join(base, "out/etcd/backup.db")).equals(whole.subarray(0, -32))).toBe(true);
    const pod = parse(readFileSync(join(base, "out/bootstrap-manifests/bootstrap-etcd.yaml"), "utf8"));
    expect(pod.spec.volumes).toContainEqual({
      name: "backup",
      hostPath: { path: join(base, "out/etcd/backup.db"), type: "File" },
    });
    expect(pod.spec.initContainers[0].env).toContainEqual({ name: "SKIP_HASH_CHECK", value: "true" });
  });

  test("an earlier revision, before the EtcdCluster was made", async () => {
    const { stdout } = await recover(
      `${COMMON} --etcd-backup-file ${fixture("selfhosted-etcd-k120")} --at-revision 2392 -o json`,
    );
    expect(JSON.parse(stdout)).toMatchObject({ source: { revision: 2392 }, flavour: "self-hosted" });
  });

  test("inputs are opened read-only and stay as they are", async () => {
    const look = (name: string) => {
      const path = join(base, name);
      const { mtimeMs, ctimeMs, ino, size } = statSync(path);
      return [createHash("sha256").update(readFileSync(path)).digest("hex"), mtimeMs, ctimeMs, ino, size];
    };
    fixture("selfhosted-etcd-k120");
    for (const name of ["backup.db", "kubeconfig"]) chmodSync(join(base, name), 0o400);
    const before = ["backup.db", "kubeconfig"].map(look);
    for (const more of ["", " --force"])
      expect((await recover(`${COMMON} --etcd-backup-file backup.db${more}`)).code).toBe(0);
    expect(["backup.db", "kubeconfig"].map(look)).toEqual(before);
    expect(readdirSync(base).sort()).toEqual(["backup.db", "kubeconfig", "out"]);
  });

  test("no secret is printed", async () => {
    for (const format of ["text", "json"]) {
      const { stdout, stderr } = await recover(
        `${COMMON} --etcd-backup-file ${fixture("selfhosted-etcd-k120")} --dry-run -o ${format}`,
      );
      expect(stdout + stderr).not.toMatch(/BEGIN|PRIVATE|LS0tLS1/);
    }
    expect(readdirSync(base)).not.toContain("out");
  });
});

describe("refusals, each before anything is written", () => {
  const refused = async (line: string, code: number, ...words: string[]) => {
    const before = files(base);
    const outcome = await recover(line);
    expect(outcome.stdout).toBe("");
    for (const word of words) expect(outcome.stderr).toContain(word);
    expect(outcome.code).toBe(code);
    expect(files(base)).toEqual(before);
  };
  const plain = [workload("kube-apiserver"), ...companions()];

  test("wrong usage", async () => {
    await refused("--recovery-dir out", 2, "error: recover needs a source", "hint: pass --kubeconfig");
    await refused("--etcd-backup-file backup.db", 2, "--recovery-dir");
    await refused(`${COMMON} --etcd-backup-file backup.db --etcd-certificate-path x`, 2, "belong together");
    await refused("--recovery-dir out --etcd-backup-file b --etcd-servers x", 2, "two sources");
    await refused("--recovery-dir out --kubeconfig kubeconfig --at-revision 9", 2, "no earlier revision");
  });

  test("a self-hosted control plane without a kubeconfig, and one that is not there", async () => {
    made(clusterEntries(plain));
    await refused("--recovery-dir out --etcd-backup-file backup.db", 2, "needs a kubeconfig", "--kubeconfig");
    await refused("--recovery-dir out --etcd-backup-file backup.db --kubeconfig nope", 1, "nope", "no such file");
  });

  test("no file, a directory, text", async () => {
    await refused(`${COMMON} --etcd-backup-file nope`, 1, "nope");
    mkdirSync(join(base, "dir"));
    await refused(`${COMMON} --etcd-backup-file dir`, 1, "dir");
    await refused(`${COMMON} --etcd-backup-file kubeconfig`, 1, "error: ");
  });

  test("an etcd that is not Kubernetes'", async () => {
    made([["/vault/core/leader", "x"]]);
    await refused(
      `${COMMON} --etcd-backup-file backup.db -o json`,
      1,
      '"code":"not-kubernetes"',
      "it holds 1 key, ",
      "/vault/core/leader",
    );
  });

  test("two clusters in one etcd, until one is chosen", async () => {
    made([...clusterEntries(plain, "/a"), ...clusterEntries(plain, "/b")]);
    await refused(`${COMMON} --etcd-backup-file backup.db`, 2, 'under "/a", "/b"', "--etcd-prefix");
    await refused(
      `${COMMON} --etcd-backup-file backup.db --etcd-prefix /c`,
      1,
      'under the etcd prefix "/c"',
      'there is one under "/a", "/b"',
    );
    const { code, stdout } = await recover(`${COMMON} --etcd-backup-file backup.db --etcd-prefix b/`);
    expect([code, stdout]).toEqual([0, expect.stringContaining("objects under /b")]);
  });

  test("a cluster without a control plane: what was looked for, and what was there", async () => {
    const pods = Array.from({ length: 12 }, (_, i) => ({ ...secret(`default/p${i}`, {}), kind: "Pod" }));
    made(clusterEntries([node("n1"), ...pods]));
    await refused(
      `${COMMON} --etcd-backup-file backup.db -o json`,
      1,
      '"code":"control-plane-not-found"',
      "1 node, 12 pods, 0 mirror pods",
    );
  });

  test("everything that is missing, until it is allowed to be", async () => {
    const volumes = ["b", "a"].map((name) => ({ name, secret: { secretName: name } }));
    made(clusterEntries([workload("kube-apiserver", { spec: { volumes } })]));
    await refused(
      `${COMMON} --etcd-backup-file backup.db`,
      1,
      "needs 4 things",
      'secret "kube-system/a" is missing',
      'component "kube-scheduler" is missing',
    );
    const { code, stderr, stdout } = await recover(`${COMMON} --etcd-backup-file backup.db --allow-missing`);
    expect([code, stderr]).toEqual([0, expect.stringContaining('warning: secret "kube-system/b" is missing')]);
    expect(stdout).toContain("bootstrap-kube-apiserver.yaml");
  });

  test("secrets encrypted with keys that were not given, by the names of the keys; then with them", async () => {
    const key = Buffer.alloc(32, 1);
    const volumes = [{ name: "s", secret: { secretName: "s" } }];
    const entries = clusterEntries([workload("kube-apiserver", { spec: { volumes } }), ...companions()]);
    made([
      ...entries,
      [
        "/registry/secrets/kube-system/s",
        encryptAesCbc(JSON.stringify(secret("kube-system/s", { k: "v" })), "key7", key),
      ],
    ]);
    await refused(`${COMMON} --etcd-backup-file backup.db`, 1, 'aescbc key "key7"', "--encryption-config");
    const config = (name: string) =>
      JSON.stringify({
        apiVersion: "apiserver.config.k8s.io/v1",
        kind: "EncryptionConfiguration",
        resources: [
          { resources: ["secrets"], providers: [{ aescbc: { keys: [{ name, secret: key.toString("base64") }] } }] },
        ],
      });
    writeFileSync(join(base, "encryption.yaml"), config("other"));
    await refused(`${COMMON} --etcd-backup-file backup.db --encryption-config encryption.yaml`, 1, "key7");
    writeFileSync(join(base, "encryption.yaml"), config("key7"));
    expect((await recover(`${COMMON} --etcd-backup-file backup.db --encryption-config encryption.yaml`)).code).toBe(0);
    expect(readFileSync(join(base, "out/tls/secrets/s/k"), "utf8")).toBe("v");
  });

  test("a snapshot that does not match its hash, until that is said to be all right", async () => {
    const bytes = madeSnapshot(clusterEntries(plain));
    bytes[bytes.length - 1]! ^= 1;
    writeFileSync(join(base, "backup.db"), bytes);
    await refused(
      `${COMMON} --etcd-backup-file backup.db -o json`,
      1,
      '"code":"snapshot-hash-mismatch"',
      "--skip-hash-check",
    );
    const { code, stderr } = await recover(`${COMMON} --etcd-backup-file backup.db --skip-hash-check`);
    expect([code, stderr]).toEqual([0, expect.stringContaining("[snapshot-hash-mismatch]")]);
  });

  test("a damaged snapshot, until what can be read is enough", async () => {
    const bytes = readFileSync(join(base, fixture("selfhosted-k120"))).subarray(0, -32);
    const at = bytes.indexOf("/registry/pods/shop/");
    bytes.fill(0xff, at - (at % 4096), at - (at % 4096) + 4096);
    writeFileSync(join(base, "backup.db"), bytes);
    await refused(`${COMMON} --etcd-backup-file backup.db -o json`, 1, '"code":"snapshot-damaged"', "--allow-missing");
    const { code, stderr } = await recover(`${COMMON} --etcd-backup-file backup.db --allow-missing`);
    expect(code).toBe(0);
    expect(stderr).toMatch(/^error: page \d+/);
    expect(stderr).toContain("[snapshot-hash-absent]");
  });

  test("a recovery dir with an input in it, or with a user's file", async () => {
    made(clusterEntries(plain));
    await recover(`${COMMON} --etcd-backup-file backup.db`);
    symlinkSync("out", join(base, "link"));
    await refused(
      "--recovery-dir out --kubeconfig link/auth/kubeconfig --etcd-backup-file backup.db --force",
      2,
      "lies inside the recovery dir",
    );
    await refused(`${COMMON} --etcd-backup-file backup.db`, 1, "holds the output of an earlier run", "--force");
    writeFileSync(join(base, "out/notes.txt"), "mine");
    await refused(`${COMMON} --etcd-backup-file backup.db --force`, 1, '"notes.txt"');
  });

  test("an interruption", async () => {
    made(clusterEntries(plain));
    const controller = new AbortController();
    controller.abort();
    const { code, stdout } = await recover(`${COMMON} --etcd-backup-file backup.db`, controller.signal);
    expect([code, stdout]).toEqual([130, ""]);
    expect(readdirSync(base).sort()).toEqual(["backup.db", "kubeconfig"]);
  });
});

test("several masters: a folder each, and the commands that restore each member", async () => {
  const names = ["kube-apiserver", "kube-controller-manager", "kube-scheduler"];
  const etcd = (controlPlaneNode: string) => {
    const flags = [
      `--name=${controlPlaneNode}`,
      `--initial-advertise-peer-urls=https://${controlPlaneNode}:2380`,
      "--data-dir=/var/lib/etcd",
    ];
    const volumeMounts = [{ name: "data", mountPath: "/var/lib/etcd" }];
    const containers = [{ name: "etcd", image: "etcd:3.5.16-0", command: ["etcd", ...flags], volumeMounts }];
    return mirrorPod("etcd", controlPlaneNode, {
      spec: { containers, volumes: [{ name: "data", hostPath: { path: "/data/etcd" } }] },
    });
  };
  made(
    clusterEntries(
      ["m1", "m2"].flatMap((each) => [node(each), etcd(each), ...names.map((name) => mirrorPod(name, each))]),
    ),
  );
  const { stdout } = await recover(
    "--recovery-dir out --etcd-backup-file backup.db --pod-manifest-path /srv/manifests",
  );
  expect(readdirSync(join(base, "out/nodes"))).toEqual(["m1", "m2"]);
  expect(stdout).toContain(`sudo cp ${base}/out/nodes/m2/manifests/*.yaml /srv/manifests/`);
  const started = await kubemend(base, ["start", "--asset-dir=out", "--pod-manifest-path=/srv/manifests"]);
  expect(started).toMatchObject({ code: 1, stderr: expect.stringContaining('holds static pods of "m1", "m2"') });
  expect(started.stderr).toContain("/out/nodes/m1/manifests/*.yaml /srv/manifests/");
  const restores = stdout.split("\n").filter((line) => line.includes("snapshot restore"));
  expect(restores.map((line) => line.trim().replace(/(token=restored-)\d+T\d+Z/, "$1TIME"))).toEqual(
    ["m1", "m2"].map(
      (name) =>
        `sudo kubemend snapshot restore ${base}/backup.db --data-dir=/data/etcd --name=${name} ` +
        "--initial-cluster=m1=https://m1:2380,m2=https://m2:2380 --initial-cluster-token=restored-TIME " +
        `--initial-advertise-peer-urls=https://${name}:2380`,
    ),
  );
  // Members of one cluster have one token.
  expect(new Set(restores.map((line) => /token=(\S+)/.exec(line)?.[1])).size).toBe(1);
  const next = stdout.slice(stdout.indexOf("Next:"));
  expect(next.indexOf("the healthy ones too: move etcd.yaml")).toBeLessThan(next.indexOf("snapshot restore"));
  expect(next).toMatch(/at last, see that this is what serves: sudo kubemend etcd health --restored-from \S+\n$/);
});

test("self-hosted components beside a static etcd: its manifest, and how its data is restored", async () => {
  const command = ["etcd", "--name=m1", "--initial-advertise-peer-urls=https://m1:2380", "--data-dir=/var/lib/etcd"];
  const volumeMounts = [{ name: "data", mountPath: "/var/lib/etcd" }];
  const spec = {
    containers: [{ name: "etcd", image: "etcd:3.5.16-0", command, volumeMounts }],
    volumes: [{ name: "data", hostPath: { path: "/var/lib/etcd" } }],
  };
  made(
    clusterEntries([
      workload("kube-apiserver"),
      ...companions(),
      mirrorPod("etcd", "m1", { spec: { nodeName: "m1", ...spec } }),
    ]),
  );
  const { code, stdout } = await recover("--recovery-dir out --etcd-backup-file backup.db --kubeconfig kubeconfig");
  expect(code, stdout).toBe(0);
  expect(readFileSync(join(base, "out/nodes/m1/manifests/etcd.yaml"), "utf8")).toContain("--name=m1");
  const next = stdout.slice(stdout.indexOf("Next:"));
  const at = [
    "the healthy ones too",
    "--data-dir=/var/lib/etcd --name=m1",
    "nodes/m1/manifests/*.yaml",
    "--restored-from",
    "kubemend start",
  ];
  const places = at.map((each) => next.indexOf(each));
  expect(
    places.every((place) => place > 0),
    next,
  ).toBe(true);
  expect(places).toEqual(places.toSorted((a, b) => a - b));
});

test("changed earlier output is kept, and said", async () => {
  made(clusterEntries([workload("kube-apiserver"), ...companions()]));
  await recover(`${COMMON} --etcd-backup-file backup.db`);
  writeFileSync(join(base, "out/auth/kubeconfig"), "edited");
  const { stdout } = await recover(`${COMMON} --etcd-backup-file backup.db --force`);
  expect(stdout).toContain(
    `The earlier output had been changed (auth/kubeconfig), and is kept at ${join(base, "out.before")}`,
  );
  expect(readFileSync(join(base, "out.before/auth/kubeconfig"), "utf8")).toBe("edited");
});
