import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { parseAllDocuments } from "yaml";
import { kubemend } from "../../test/kubemend.ts";

const FILE = join(import.meta.dirname, "checkpointer.yaml");

async function manifests(...flags: string[]): Promise<string> {
  const { code, stdout, stderr } = await kubemend("/", ["checkpoint", "manifests", ...flags]);
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  return stdout;
}

/** `kind name` of each. */
function names(yaml: string): string[] {
  return parseAllDocuments(yaml).map((document) => {
    const { kind, metadata } = document.toJS();
    return `${kind} ${metadata.name}`;
  });
}

test("checkpointer.yaml is what `npm run kubemend -- checkpoint manifests` prints", async () => {
  expect(await manifests()).toBe(readFileSync(FILE, "utf8"));
});

test("an API server's address brings a kubeconfig along, which the agent uses", async () => {
  const yaml = await manifests("--server=https://10.0.0.10:6443");
  expect(names(yaml)).toEqual(["ConfigMap pod-checkpointer-kubeconfig", ...names(await manifests())]);
  expect(yaml).toContain("server: https://10.0.0.10:6443");
  expect(yaml).not.toContain("kubeconfig-in-cluster");
});

test("image and label can be others", async () => {
  const list = JSON.parse(await manifests("--image=example.com/k:1", "--node-label=some/label", "-ojson"));
  const { spec } = list.items.at(-1).spec.template;
  expect(spec).toMatchObject({ containers: [{ image: "example.com/k:1" }], nodeSelector: { "some/label": "" } });
});

test("static pods' manifests are protected where asked", async () => {
  const yaml = await manifests("--protect-manifests", "--protect-key-file=/etc/kubernetes/protect.key");
  expect(yaml).toContain("- --protect-manifests=mend\n            - --protect-key-file=/etc/kubernetes/protect.key\n");
});

test("an address that is none is refused", async () => {
  const { code, stderr } = await kubemend("/", ["checkpoint", "manifests", "--server=10.0.0.10"]);
  expect({ code, stderr }).toEqual({ code: 2, stderr: 'error: --server is "10.0.0.10": expected https://HOST:PORT\n' });
});
