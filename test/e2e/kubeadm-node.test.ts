/**
 * `diagnose`, `certificate` and `recover` on a control-plane node and a worker that the real kubeadm has made: what a
 * person does there, as the commands print it.
 */
import { afterAll, beforeAll, expect } from "vitest";
import { parse } from "yaml";
import { generateKey, issueCertificate, readAuthority } from "../../src/certificates/issue.ts";
import { conditionOf } from "../../testbed/control-plane.ts";
import { type KubeadmCluster, startKubeadm } from "../../testbed/kubeadm.ts";
import type { Node } from "../../testbed/node.ts";
import type { RunResult } from "../../testbed/processes.ts";
import { waitFor } from "../../testbed/wait.ts";
import { backUp, create, created, KUBEMEND } from "./clustering.ts";
import { diagnosed, type Place, runPrinted } from "./diagnosing.ts";
import { describeWithCluster, longTest } from "./kubernetes.ts";

const MANIFESTS = "/etc/kubernetes/manifests";
const PKI = "/etc/kubernetes/pki";
const COMPONENTS = ["etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler"];
const DAY = 86_400_000;
const isShort = process.env.KUBEMEND_E2E === "short";
/** As a person has it on a node: kubemend on the path, beside the bed's systemctl, kubeadm and sudo. */
const KUBEMEND_ON_PATH = `printf '#!/bin/sh\\nexec ${KUBEMEND.join(" ")} "$@"\\n' >/opt/testbed/bin/kubemend
chmod +x /opt/testbed/bin/kubemend`;

describeWithCluster("a control-plane node and a worker of kubeadm", (kubernetes) => {
  let bed: KubeadmCluster;
  let node: Node;
  let worker: Node;
  let here: Place;

  beforeAll(async () => {
    if (isShort) return;
    bed = await startKubeadm({ kubernetes, controlPlanes: 1, workers: 1 });
    [node] = bed.controlPlanes as [Node];
    [worker] = bed.workers as [Node];
    for (const each of bed.nodes) await each.run(["sh", "-ec", KUBEMEND_ON_PATH]);
    here = {
      run: (command, options) => node.runForResult(command, options),
      flags: [],
      bin: "/root/bin",
      kubernetes,
      async systemctl(verb, unit, host) {
        await shell(host === undefined ? node : worker, `systemctl ${verb} ${unit}`);
      },
    };
    await diagnosed(here, [], 180);
  }, 900_000);
  afterAll(() => bed?.[Symbol.asyncDispose]());

  const resultOf = (on: Node, line: string): Promise<RunResult> =>
    on.runForResult(["bash", "-c", `export PATH=/opt/testbed/bin:$PATH; cd /root; ${line}`], { timeoutSeconds: 300 });
  async function shell(on: Node, line: string): Promise<string> {
    const { code, stdout, stderr } = await resultOf(on, line);
    if (code !== 0) throw new Error(`"${line}" on ${on.name} ended with ${code}: ${stderr}${stdout}`);
    return stdout;
  }
  const end = (...components: string[]) =>
    waitFor(
      `${components.join(", ")} to end`,
      async () =>
        (await node.containers()).every((name) => !components.some((component) => name.endsWith(`/${component}`))),
      { seconds: 120 },
    );
  /** The control plane reads its certificates and kubeconfigs again. */
  async function startAnew(): Promise<void> {
    for (const component of COMPONENTS) await node.killContainers(component);
    await shell(node, "systemctl restart kubelet");
    await diagnosed(here, [], 240);
  }
  /** Name and expiry of each certificate, as kubeadm prints them. */
  async function kubeadmExpirations(): Promise<Record<string, string>> {
    const table = (await shell(node, "kubeadm certs check-expiration")).split("\n");
    const lines = table.map((line) => /^(!?\S+)\s+(\w{3} \d\d, \d{4} \d\d:\d\d UTC)/.exec(line.trim()));
    return Object.fromEntries(lines.flatMap((match) => (match === null ? [] : [[match[1], match[2]]])));
  }
  async function ourExpirations(): Promise<Record<string, string>> {
    const { stdout } = await resultOf(node, "COLUMNS=300 kubemend certificate list");
    const lines = stdout.split("\n").map((line) => /^(\S+)\s+(\w{3} \d\d, \d{4} \d\d:\d\d UTC)/.exec(line));
    return Object.fromEntries(lines.flatMap((match) => (match === null ? [] : [[match[1], match[2]]])));
  }

  longTest("a manifest that is gone, long after the kubelet has forgotten the pod: no service is named", async () => {
    await create(bed, "saved-1");
    await backUp(bed, node);
    await node.run(["rm", `${MANIFESTS}/kube-scheduler.yaml`]);
    await end("kube-scheduler");
    await waitFor("its logs to go", () => shell(node, "! ls -d /var/log/pods/kube-system_kube-scheduler-*"), {
      seconds: 180,
    });
    // Its mirror pod is gone with it: a backup still has it.
    const { troubles } = await diagnosed(here, ["error kube-scheduler-manifest-missing"]);
    const { commands, advice } = troubles[0]!;
    expect(commands.join("\n")).not.toContain("systemctl");
    expect(advice).toContain("the kubelet has deleted the mirror pod");
    await runPrinted(
      commands.map((command) => command.replace("BACKUP.db", "/root/backup.db")),
      here,
    );
    await diagnosed(here, [], 180);
  });

  longTest("etcd's manifest and data are gone: nothing that is printed starts an empty etcd", async () => {
    await node.run(["mv", `${MANIFESTS}/etcd.yaml`, "/root/etcd.yaml.kept"]);
    await end("etcd");
    await node.run(["mv", "/var/lib/etcd/member", "/root/member"]);
    // What the scheduler and the controller manager lose with etcd is its consequence.
    const { troubles } = await diagnosed(here, ["error etcd-manifest-missing"], 180);
    const [trouble] = troubles;
    expect(trouble!.evidence.join("\n")).toContain("etcd's data is gone");
    expect(trouble!.commands.filter((command) => /cp .*etcd\.yaml/.test(command))).toEqual([]);
    await node.run(["mv", "/root/member", "/var/lib/etcd/member"]);
    await node.run(["cp", "-p", "/root/etcd.yaml.kept", `${MANIFESTS}/etcd.yaml`]);
    await diagnosed(here, [], 240);
  });

  longTest(
    "certificates are listed as kubeadm lists them, and renewed so that kubeadm and the cluster agree",
    async () => {
      const before = await kubeadmExpirations();
      expect(Object.keys(before).length).toBeGreaterThan(10);
      expect(await ourExpirations()).toMatchObject(before);

      await waitFor("the next minute", () => new Date().getUTCSeconds() < 5, { seconds: 90 });
      await shell(node, "kubemend certificate renew all");
      const after = await kubeadmExpirations();
      expect(await ourExpirations()).toMatchObject(after);
      for (const [name, expiry] of Object.entries(after)) {
        if (!/ca$/.test(name)) expect([name, Date.parse(expiry)]).not.toEqual([name, Date.parse(before[name]!)]);
      }
      await startAnew();
    },
  );

  longTest("what is lost is made by the authorities that are there, and the control plane starts from it", async () => {
    const files = [
      "apiserver-etcd-client",
      "front-proxy-client",
      "apiserver-kubelet-client",
      "etcd/healthcheck-client",
    ];
    const all = Object.keys(await kubeadmExpirations()).sort();
    await shell(node, `cd ${PKI}; rm ${files.flatMap((file) => [`${file}.crt`, `${file}.key`]).join(" ")}`);
    await shell(node, "rm /etc/kubernetes/scheduler.conf");
    const { troubles } = await diagnosed(here, ["error certificate-missing"], 120);
    await runPrinted(troubles[0]!.commands, here);
    expect(Object.keys(await kubeadmExpirations()).sort()).toEqual(all);
    await startAnew();
  });

  longTest("an authority's lost key: what it would sign is named, and what that means", async () => {
    await shell(node, `mv ${PKI}/front-proxy-ca.key /root/; mv ${PKI}/front-proxy-client.* /root/`);
    const { code, stderr } = await resultOf(node, "kubemend certificate issue");
    expect([code, stderr]).toEqual([1, expect.stringContaining("not made: front-proxy-client: ")]);
    expect(stderr).toContain(`${PKI}/front-proxy-ca.key is lost`);
    const list = await resultOf(node, "COLUMNS=300 kubemend certificate list");
    expect([list.code, list.stdout]).toEqual([1, expect.stringContaining("front-proxy-ca cannot sign here")]);
    await shell(node, `mv /root/front-proxy-ca.key /root/front-proxy-client.* ${PKI}/`);
    await diagnosed(here, [], 60);
  });

  longTest("a worker whose kubelet's certificate has expired: the printed way, from there and back", async () => {
    const authority = readAuthority(await node.read(`${PKI}/ca.crt`), await node.read(`${PKI}/ca.key`));
    const key = await generateKey("ecdsa-p256");
    const over = { notBefore: new Date(Date.now() - 2 * DAY), notAfter: new Date(Date.now() - DAY) };
    const about = { commonName: `system:node:${worker.name}`, organizations: ["system:nodes"], use: "client" } as const;
    const certificate = await issueCertificate({ ...about, ...over }, key.publicKey, authority);
    await shell(worker, "systemctl stop kubelet");
    await worker.write("/var/lib/kubelet/pki/kubelet-client-expired.pem", `${certificate}\n${key.privateKeyPem}`);
    const current = "cd /var/lib/kubelet/pki; ln -sf kubelet-client-expired.pem kubelet-client-current.pem";
    await shell(worker, `${current}; systemctl start kubelet`);
    const ready = async () => conditionOf(await bed.api.get(`/api/v1/nodes/${worker.name}`), "Ready");
    await waitFor("the worker to be lost", async () => (await ready()) !== "True", { seconds: 180 });
    const { troubles } = await diagnosed(here, ["error node-not-ready"], 60);
    expect(troubles[0]!.evidence.join("\n")).not.toContain("certificate");

    const list = await resultOf(worker, "kubemend certificate list");
    expect([list.code, list.stdout]).toEqual([1, expect.stringContaining("On a control-plane node:")]);
    const issue = list.stdout.split("\n").find((line) => line.includes("certificate issue"))!;
    const printed = (await shell(node, issue.trim())).split("\n");
    const [, from] = /scp (\S+)/.exec(printed.find((line) => line.includes("scp "))!)!;
    await worker.write("/tmp/kubelet.conf", await node.read(from!));
    const steps = printed.filter((line) => line.startsWith("    sudo ")).map((line) => line.trim());
    expect(steps.length).toBeGreaterThan(3);
    for (const step of steps) await shell(worker, step);
    await waitFor("the worker to be Ready", async () => (await ready()) === "True", { seconds: 180 });
    await shell(worker, "kubemend certificate list");
    await diagnosed(here, [], 120);
  });

  longTest(
    "recovered from the API server and from etcd: the manifests that are there; nothing for start to do",
    async () => {
      const manifests = await manifestsOf(`${MANIFESTS}`);
      const sources = [
        "--kubeconfig=/etc/kubernetes/admin.conf",
        `--etcd-servers=https://${node.address}:2379 --etcd-ca-path=${PKI}/etcd/ca.crt ` +
          `--etcd-certificate-path=${PKI}/etcd/server.crt --etcd-private-key-path=${PKI}/etcd/server.key`,
      ];
      for (const [i, source] of sources.entries()) {
        await shell(node, `kubemend recover --recovery-dir=/root/recovered-${i} ${source}`);
        expect(await manifestsOf(`/root/recovered-${i}/nodes/${node.name}/manifests`)).toEqual(manifests);
        const { code, stderr } = await resultOf(node, `kubemend start --asset-dir=/root/recovered-${i}`);
        expect([code, stderr]).toEqual([1, expect.stringContaining("there is nothing for start to do")]);
        expect(stderr).toContain(`/root/recovered-${i}/nodes/${node.name}/manifests/*.yaml`);
      }
    },
  );

  longTest("recovered from a backup, with all manifests and etcd's data gone, by what is printed", async () => {
    const manifests = await manifestsOf(MANIFESTS);
    await create(bed, "before-1");
    await backUp(bed, node);
    await create(bed, "after-1");
    await shell(node, `rm ${MANIFESTS}/*.yaml`);
    await end(...COMPONENTS);
    await shell(node, "rm -r /var/lib/etcd/member");
    const told = await shell(
      node,
      "kubemend recover --recovery-dir=/root/recovered --etcd-backup-file=/root/backup.db",
    );
    const steps = told
      .slice(told.indexOf("Next:"))
      .split("\n")
      .filter((line) => line.startsWith("    sudo "));
    expect(steps).toHaveLength(2);
    for (const step of steps) await shell(node, step.trim());
    expect(await manifestsOf(MANIFESTS)).toEqual(manifests);
    expect(await created(bed, node)).toEqual(["before-1"]);
    await diagnosed(here, [], 240);
  });

  /** Of each component what makes it what it is: defaults that the API server has filled in, or left out, aside. */
  async function manifestsOf(directory: string): Promise<Record<string, unknown>> {
    const names = (await node.run(["ls", directory])).trim().split("\n");
    const texts = await Promise.all(names.map((name) => node.read(`${directory}/${name}`)));
    return Object.fromEntries(
      names.map((name, i) => {
        const { metadata, spec } = parse(texts[i]!);
        const [{ command, image, volumeMounts }] = spec.containers;
        const { hostNetwork, volumes } = spec;
        return [
          name.replace(".yaml", ""),
          { labels: metadata.labels, command, image, volumeMounts, hostNetwork, volumes },
        ];
      }),
    );
  }
});
