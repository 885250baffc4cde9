import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { kubemend } from "./kubemend.ts";

const DIRECTORY = mkdtempSync(join(tmpdir(), "kubemend-bundle-"));
afterAll(() => rmSync(DIRECTORY, { recursive: true }));

const TOKEN = "s3cr3t-token-of-the-kubeconfig";
const KUBECONFIG = join(DIRECTORY, "kubeconfig");
writeFileSync(
  KUBECONFIG,
  JSON.stringify({
    apiVersion: "v1",
    kind: "Config",
    "current-context": "c",
    clusters: [{ name: "c", cluster: { server: "https://10.11.12.13:1", "insecure-skip-tls-verify": true } }],
    users: [{ name: "u", user: { token: TOKEN } }],
    contexts: [{ name: "c", context: { cluster: "c", user: "u" } }],
  }),
);
const ARGS = ["support-bundle", "--kubeconfig", KUBECONFIG, "--probe-timeout", "500ms"];
const bundle = (...more: readonly string[]) => kubemend(DIRECTORY, [...ARGS, ...more], { NO_PROXY: "*" });

test("what is known is printed, without the token and without addresses", async () => {
  const { code, stdout } = await bundle();
  expect(code).toBe(0);
  const found = JSON.parse(stdout) as { kubemend: object; diagnosis: { verdict: string; server: string } };
  expect(found.diagnosis.verdict).not.toBe("healthy");
  expect(found.diagnosis.server).toBe("address-1:1");
  expect(stdout).not.toContain(TOKEN);
  expect(stdout).not.toContain("10.11.12.13");
  expect((await bundle("--keep-names")).stdout).toContain("10.11.12.13");
});

test("it is written only after a yes, for its owner alone, and over nothing", async () => {
  const path = join(DIRECTORY, "bundle.json");
  const refused = await bundle("--out", path);
  expect(refused).toMatchObject({ code: 2, stderr: expect.stringContaining("has to be confirmed") });
  const written = await bundle("--out", path, "--yes");
  expect(written.code).toBe(0);
  expect(statSync(path).mode & 0o777).toBe(0o600);
  expect(readFileSync(path, "utf8")).toBe(written.stdout);
  expect((await bundle("--out", path, "--yes")).stderr).toContain("already");
});
