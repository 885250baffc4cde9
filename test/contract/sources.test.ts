/**
 * One contract for the three sources of `recover`: for the same cluster a backup, the live etcd and the API server give
 * the same assets, byte for byte. The etcd is restored from the backup, and the API server runs on it.
 */
import { readdirSync, readFileSync } from "node:fs";
import { join, relative } from "node:path";
import { describe, expect, test } from "vitest";
import type { Kubernetes } from "../../testbed/kubernetes.ts";
import { kubernetesOrWhyNot } from "../../testbed/requirements.ts";
import { kubemend } from "../kubemend.ts";
import { LiveCluster } from "./live-cluster.ts";

const FIXTURES = join(import.meta.dirname, "../fixtures");
const kubernetes = await kubernetesOrWhyNot();
const why = typeof kubernetes === "string" ? ` (${kubernetes})` : "";

function filesOf(directory: string): Map<string, string> {
  const files = readdirSync(directory, { recursive: true, withFileTypes: true }).filter((each) => each.isFile());
  const paths = files.map((each) => join(each.parentPath, each.name)).sort();
  const entries = paths.map((path): [string, string] => [relative(directory, path), readFileSync(path, "latin1")]);
  return new Map(entries.filter(([path]) => path !== ".kubemend-assets.json"));
}

/** What differs by nature: self-hosted etcd restarts from a backup; a live one continues as it is. */
function isOfBackup(path: string): boolean {
  return path.startsWith("etcd/") || path.startsWith("tls/etcd") || path.endsWith("/bootstrap-etcd.yaml");
}

describe.skipIf(why !== "")(`recover from a backup, from etcd and from the API server${why}`, () => {
  test.each([
    ["selfhosted-k120", "10.3.0.0/24"],
    ["selfhosted-etcd-k120", "10.3.0.0/24"],
    ["kubeadm-k120", "10.96.0.0/12"],
  ])("%s", async (fixture, serviceCidr) => {
    const backup = join(FIXTURES, fixture, "snapshot.db.gz");
    await using cluster = await LiveCluster.create();
    await cluster.startEtcd("etcd", backup);
    const kubeconfig = await cluster.startApiServer(kubernetes as Kubernetes, serviceCidr);
    const recovered: Record<string, Map<string, string>> = {};
    for (const [source, flags] of Object.entries({
      backup: [`--etcd-backup-file=${backup}`],
      etcd: cluster.etcdFlags,
      "api-server": [],
    })) {
      const line = ["recover", `--recovery-dir=from-${source}`, `--kubeconfig=${kubeconfig}`, ...flags, "-q"];
      const { code, stderr } = await kubemend(cluster.directory, line);
      expect([source, code, stderr.match(/error.*/s)?.[0]]).toEqual([source, 0, undefined]);
      recovered[source] = filesOf(join(cluster.directory, `from-${source}`));
    }
    const { backup: fromBackup, etcd, "api-server": apiServer } = recovered;
    expect(apiServer).toEqual(etcd);
    const expected = new Map([...fromBackup!].filter(([path]) => !isOfBackup(path)));
    if (fixture === "selfhosted-etcd-k120") {
      const path = "bootstrap-manifests/bootstrap-kube-apiserver.yaml";
      expect(fromBackup!.get(path)).toContain(",https://127.0.0.1:12379");
      expect(etcd!.get(path)).not.toContain("12379");
      for (const files of [expected, etcd!, apiServer!]) files.delete(path);
    } else {
      expect(expected).toEqual(fromBackup);
    }
    expect(etcd).toEqual(expected);
    expect(etcd!.size).toBeGreaterThan(5);
  });
});
