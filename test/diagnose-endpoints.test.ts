/** `diagnose` takes endpoints in every form that etcdctl takes, also of an etcd that is down. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { kubemend } from "./kubemend.ts";

const KUBECONFIG = `apiVersion: v1
kind: Config
current-context: x
clusters: [{name: c, cluster: {server: "https://127.0.0.1:1"}}]
users: [{name: u, user: {token: t}}]
contexts: [{name: x, context: {cluster: c, user: u}}]
`;

test.each(["127.0.0.1:1", "http://127.0.0.1:1", "127.0.0.1:1,[::1]:1"])("--endpoints=%s", async (endpoints) => {
  const directory = mkdtempSync(join(tmpdir(), "diagnose-endpoints-"));
  try {
    const kubeconfig = join(directory, "kubeconfig");
    writeFileSync(kubeconfig, KUBECONFIG);
    const argv = ["diagnose", `--endpoints=${endpoints}`, "--kubeconfig", kubeconfig, "-o", "json"];
    const { code, stdout, stderr } = await kubemend(directory, argv);
    expect(stderr).not.toMatch(/internal error|Invalid URL/);
    expect(code).toBe(1);
    const { troubles } = JSON.parse(stdout) as { troubles: { code: string }[] };
    expect(troubles.map((trouble) => trouble.code)).toContain("etcd-unreachable");
  } finally {
    rmSync(directory, { recursive: true });
  }
});
