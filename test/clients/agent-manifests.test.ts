/** A real API server takes the agents' manifests, as `kubectl kustomize` and the chart render them. */
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { renderManifests, type Values } from "../../deploy/helm/render.ts";
import { FIXTURES } from "../kubectl-tables.ts";
import { findProgram } from "../programs.ts";
import { HAS_API_SERVER, type RealApiServer, startRealApiServer } from "./real-api-server.ts";

/** kubectl of 1.20 knows older kustomizations only. */
const RENDERER = findProgram("sid", "kubectl");
const DEPLOY = join(import.meta.dirname, "../../deploy");

describe.skipIf(!HAS_API_SERVER || RENDERER === undefined)("with a real API server", () => {
  let real: RealApiServer;
  beforeAll(async () => {
    real = await startRealApiServer(join(FIXTURES, "k120-broad/snapshot.db.gz"));
  }, 180_000);
  afterAll(() => real?.stop());
  const kubectl = (...words: string[]): string =>
    execFileSync(real.kubectl, ["--kubeconfig", real.kubeconfig, ...words], { encoding: "utf8" });

  test.each([
    ["checkpointer", "pod-checkpointer", 3],
    ["checkpointer-with-backup", "pod-checkpointer", 6],
    ["backup", "kubemend-backup", 4],
  ])("%s", (folder, name, volumes) => {
    const manifests = execFileSync(RENDERER ?? "", ["kustomize", join(DEPLOY, folder)]);
    execFileSync(real.kubectl, ["--kubeconfig", real.kubeconfig, "apply", "-f", "-"], { input: manifests });
    const { spec } = JSON.parse(kubectl("-n", "kube-system", "get", "daemonset", name, "-o", "json")).spec.template;
    expect(spec.volumes).toHaveLength(volumes);
    expect(spec.containers[0].volumeMounts).toHaveLength(volumes);
  });

  test.each<[string, Values, string, number]>([
    ["the node agent", { checkpointer: { server: "https://10.0.0.10:6443" } }, "pod-checkpointer", 3],
    ["the node agent with the backup agent", { checkpointer: { withBackup: true } }, "pod-checkpointer", 6],
    ["the backup agent", { checkpointer: { enabled: false }, backup: { enabled: true } }, "kubemend-backup", 4],
  ])("the chart: %s", (_, values, name, volumes) => {
    const all = ["--kubeconfig", real.kubeconfig];
    const input = renderManifests(RENDERER ?? "", values);
    execFileSync(real.kubectl, [...all, "delete", "--ignore-not-found", "-f", "-"], { input });
    const created = execFileSync(real.kubectl, [...all, "create", "-f", "-"], { input, encoding: "utf8" });
    expect(created).toContain(`daemonset.apps/${name} created`);
    const { spec } = JSON.parse(kubectl("-n", "kube-system", "get", "daemonset", name, "-o", "json")).spec.template;
    expect(spec.volumes).toHaveLength(volumes);
    expect(spec.containers[0].volumeMounts).toHaveLength(volumes);
  });
});
