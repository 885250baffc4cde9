/** The examples of docs/library.md are files that run, and the page shows them as they are. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { changesBetween } from "../examples/library/compare-two-moments.ts";
import { countKinds } from "../examples/library/in-a-browser.ts";
import { imagesOf } from "../examples/library/read-a-backup.ts";
import { filesOf } from "../examples/library/render-a-control-plane.ts";

const ROOT = join(import.meta.dirname, "..");
const fixture = (name: string) => join(import.meta.dirname, "fixtures", name, "snapshot.db.gz");

test("images of a backup's pods", async () => {
  const images = await imagesOf(fixture("kubeadm-k120"));
  expect([...images.keys()].some((image) => image.includes("kube-apiserver") || image.includes("hyperkube"))).toBe(
    true,
  );
});

test("changes between two revisions of one file", async () => {
  const lines = await changesBetween(fixture("k136-compacted"), 12_300, 12_436);
  expect(lines.length).toBeGreaterThan(0);
  for (const line of lines) expect(line).toMatch(/^(added|removed|changed) \w+ \S+\/\S+/);
  expect(await changesBetween(fixture("k136-compacted"), 12_436, 12_436)).toEqual([]);
});

test("kinds of a backup, as in a browser", async () => {
  const kinds = await countKinds(new Blob([readFileSync(fixture("kubeadm-k120"))]));
  expect(kinds.get("Node")).toBeGreaterThan(0);
  expect(kinds.get("Pod")).toBeGreaterThan(0);
});

test("files of a control plane", async () => {
  const files = await filesOf(fixture("selfhosted-k120"), Buffer.from("apiVersion: v1\n"));
  expect(files).toContain("bootstrap-manifests/bootstrap-kube-apiserver.yaml");
});

test.each(["read-a-backup", "compare-two-moments", "render-a-control-plane", "in-a-browser"])(
  "docs/library.md shows %s",
  (name) => {
    const page = readFileSync(join(ROOT, "docs/library.md"), "utf8");
    expect(page).toContain(readFileSync(join(ROOT, `examples/library/${name}.ts`), "utf8"));
  },
);
