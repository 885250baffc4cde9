/** The command that the page builds, copied from it and run by a shell: it gives back what a real API server has lost. */
import { execFileSync, spawnSync } from "node:child_process";
import { chmodSync, existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { type Browser, chromium, type Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { buildPage } from "../../tools/build-page.ts";
import { FIXTURES } from "../kubectl-tables.ts";
import { serveFile, type TestServer } from "../serving.ts";
import { HAS_API_SERVER, type RealApiServer, startRealApiServer } from "./real-api-server.ts";

const CHROMIUM = process.env.KUBEMEND_TEST_CHROMIUM || "/usr/bin/chromium";
const ROOT = join(import.meta.dirname, "../..");
const SNAPSHOT = join(FIXTURES, "k120-broad/snapshot.db.gz");

describe.skipIf(!HAS_API_SERVER || !existsSync(CHROMIUM))("what is marked on the page", () => {
  const directory = mkdtempSync(join(tmpdir(), "page-give-back-"));
  let real: RealApiServer;
  let server: TestServer;
  let browser: Browser;
  beforeAll(async () => {
    await buildPage(join(ROOT, "dist/ui"));
    const program = join(directory, "kubemend");
    writeFileSync(program, `#!/bin/sh\nexec '${process.execPath}' '${ROOT}/src/cli/main.ts' "$@"\n`);
    chmodSync(program, 0o755);
    real = await startRealApiServer(SNAPSHOT);
    server = await serveFile(SNAPSHOT, { showSecrets: false });
    browser = await chromium.launch({ executablePath: CHROMIUM, args: ["--no-sandbox"] });
  }, 180_000);
  afterAll(async () => {
    await browser?.close();
    await server?.stop();
    await real?.stop();
    rmSync(directory, { recursive: true, force: true });
  });

  const kubectl = (...args: readonly string[]) =>
    execFileSync(real.kubectl, ["--kubeconfig", real.kubeconfig, ...args], { encoding: "utf8", timeout: 30_000 });
  const read = (what: string) => JSON.parse(kubectl("get", what, "-n", "shop", "-o", "json"));
  const mark = async (page: Page, place: string) => {
    await page.evaluate(`location.hash = ${JSON.stringify(`#/object/${place}`)}`);
    await page.getByRole("heading", { name: place.split("/").at(-1)!, exact: true }).waitFor();
    await page.getByRole("button", { name: "Mark to give back" }).click();
  };

  test("comes back, with its values, secrets too", async () => {
    const secret = kubectl("get", "secrets", "-n", "shop", "-o", "jsonpath={.items[0].metadata.name}");
    const wanted = ["configmap/web-conf", "deployment/web", `secret/${secret}`];
    const before = wanted.map(read);
    const page = await browser.newPage();
    await page.goto(server.page);
    await page.waitForSelector(".time .legend");
    await mark(page, "core/v1/configmaps/shop/web-conf");
    await mark(page, "apps/v1/deployments/shop/web");
    await mark(page, `core/v1/secrets/shop/${secret}`);
    await page.evaluate('location.hash = "#/give-back"');
    await page.waitForSelector(".command pre");
    const commands = await page.locator(".command pre").allTextContents();
    await page.close();
    expect(commands.length).toBe(1);
    kubectl("delete", ...wanted, "-n", "shop");
    const { stdout, stderr, status } = spawnSync("/bin/sh", ["-c", `${commands[0]} --yes`], {
      cwd: directory,
      encoding: "utf8",
      env: { HOME: directory, PATH: `${directory}${delimiter}${process.env.PATH}`, KUBECONFIG: real.kubeconfig },
    });
    expect([status, stdout + stderr]).toEqual([0, expect.stringContaining("3 ")]);
    const after = wanted.map(read);
    for (const [i, object] of before.entries()) {
      expect(after[i].data).toEqual(object.data);
      expect(after[i].spec).toEqual(object.spec);
      expect(after[i].metadata.uid).not.toBe(object.metadata.uid);
    }
  });
});
