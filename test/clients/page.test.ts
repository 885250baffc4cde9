/**
 * The page in a real browser: each view on a fixture, by keys and by mouse, checked by axe, and with names that would
 * be markup if they were not text.
 */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { type Browser, type BrowserContext, chromium, type Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { diagnoseCluster } from "../../src/operations/diagnose/diagnose.ts";
import { serveDiagnosis } from "../../src/operations/serve/serve-diagnosis.ts";
import { buildPage } from "../../tools/build-page.ts";
import { freePorts } from "../free-ports.ts";
import { FIXTURES } from "../kubectl-tables.ts";
import { clusterEntries, madeSnapshot } from "../made-snapshot.ts";
import { serveFile, type TestServer } from "../serving.ts";

/** Debian's; a browser of another place by its path. */
const CHROMIUM = process.env.KUBEMEND_TEST_CHROMIUM || "/usr/bin/chromium";
/** Where screenshots go, when somebody wants to look at them. */
const SHOTS = process.env.KUBEMEND_SCREENSHOTS;
const AXE = createRequire(import.meta.url).resolve("axe-core/axe.min.js");

const HOSTILE = [
  "<img src=x onerror=window.hacked=1>",
  "</pre><script>window.hacked=1</script>",
  "a\u0000b\u001b[31m\u202e\u2028c",
  '"onmouseover="window.hacked=1',
  "javascript:window.hacked=1",
];

describe.skipIf(!existsSync(CHROMIUM))("the page", () => {
  let browser: Browser;
  let context: BrowserContext;
  let page: Page;
  let server: TestServer;
  let hostile: TestServer;
  let directory: string;
  const problems: string[] = [];

  beforeAll(async () => {
    await buildPage(join(import.meta.dirname, "../../dist/ui"));
    directory = mkdtempSync(join(tmpdir(), "page-"));
    server = await serveFile(join(FIXTURES, "k120-broad/snapshot.db.gz"), { showSecrets: false });
    const objects = HOSTILE.map((name, i) => ({
      apiVersion: "v1",
      kind: "ConfigMap",
      metadata: { name: `hostile-${i}`, namespace: "default", labels: { [name]: name }, annotations: { text: name } },
      data: { [name]: name, large: "<b>".repeat(350_000) },
    }));
    const entries = clusterEntries(objects as never);
    for (const name of HOSTILE)
      entries.push([
        `/registry/configmaps/default/${name.replaceAll("/", "∕")}`,
        JSON.stringify({ apiVersion: "v1", kind: "ConfigMap", metadata: { name, namespace: "default" } }),
      ]);
    const file = join(directory, "hostile<b>.db");
    writeFileSync(file, madeSnapshot(entries));
    hostile = await serveFile(file);
    browser = await chromium.launch({ executablePath: CHROMIUM, args: ["--no-sandbox"] });
  }, 120_000);
  afterAll(async () => {
    await browser?.close();
    await server?.stop();
    await hostile?.stop();
    rmSync(directory, { recursive: true, force: true });
  });
  beforeEach(async () => {
    problems.length = 0;
    context = await browser.newContext({ viewport: { width: 1280, height: 800 }, reducedMotion: "reduce" });
    page = await context.newPage();
    page.on("pageerror", (error) => problems.push(error.message));
    page.on("console", (message) => {
      if (message.type() === "error") problems.push(message.text());
    });
    page.on("request", (request) => {
      const { hostname } = new URL(request.url());
      if (hostname !== "127.0.0.1" && !request.url().startsWith("data:")) problems.push(`asked ${request.url()}`);
    });
  });
  afterEach(async () => {
    await context.close();
    expect(problems).toEqual([]);
  });

  const open = async (of: TestServer, hash = "") => {
    await page.goto(of.page);
    await page.waitForSelector(".time .legend");
    if (hash !== "") await page.evaluate(`location.hash = ${JSON.stringify(hash)}`);
  };
  const goTo = (hash: string) => page.evaluate(`location.hash = ${JSON.stringify(hash)}`);
  const shot = async (name: string, fullPage = false) => {
    if (SHOTS === undefined) return;
    mkdirSync(SHOTS, { recursive: true });
    await page.screenshot({ path: join(SHOTS, `${name}.png`), fullPage });
  };
  /** No rule of WCAG 2.2 A and AA that axe knows is broken. The content security policy stays on: axe comes by the debugger. */
  const accessible = async () => {
    await page.evaluate(readFileSync(AXE, "utf8"));
    const violations = await page.evaluate(async () => {
      const axe = (
        globalThis as unknown as {
          axe: { run(options: unknown): Promise<{ violations: { id: string; nodes: { html: string }[] }[] }> };
        }
      ).axe;
      const { violations } = await axe.run({
        runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
      });
      return violations.map(
        ({ id, nodes }) =>
          `${id}: ${nodes
            .slice(0, 2)
            .map(({ html }) => html.slice(0, 200))
            .join(" | ")}`,
      );
    });
    expect(violations).toEqual([]);
  };

  const VIEWS: readonly (readonly [name: string, hash: string, ready: string])[] = [
    ["overview", "#/", ".stack"],
    ["kinds", "#/browse", ".cards table"],
    ["browse", "#/browse/core/v1/pods", ".row .cell.first"],
    ["object", "#/object/apps/v1/deployments/shop/web", ".code .line"],
    ["history", "#/object/apps/v1/deployments/shop/web?tab=history", ".change"],
    ["events", "#/object/apps/v1/deployments/shop/web?tab=events", "table.plain td"],
    ["changes", "#/changes", ".change"],
    ["give-back", "#/give-back", "main h1"],
  ];
  const visit = async (hash: string, ready: string) => {
    await goTo(hash);
    await page.waitForSelector(ready);
  };
  test.each(["light", "dark"] as const)("every view is accessible in %s colours", async (colorScheme) => {
    await page.emulateMedia({ colorScheme });
    await open(server);
    for (const [name, hash, ready] of VIEWS) {
      await visit(hash, ready);
      await accessible();
      await shot(`${name}-${colorScheme}`);
    }
  });

  test("the overview names the control plane, what verifying found, and what a restore asks for", async () => {
    const file = join(directory, "prod.db");
    const bytes = gunzipSync(readFileSync(join(FIXTURES, "kubeadm-ha-k136/snapshot.db.gz")));
    writeFileSync(file, bytes);
    const whole = await serveFile(file);
    bytes[bytes.length - 1]! ^= 1; // of the hash
    const broken = join(directory, "broken.db");
    writeFileSync(broken, bytes);
    const wrong = await serveFile(broken);
    try {
      await open(whole);
      await page.getByText(/versions of objects decoded/).waitFor();
      const plane = page.locator(".card", { has: page.getByRole("heading", { name: "Control plane" }) });
      for (const node of ["m1", "m2", "m3"]) {
        const row = await plane.locator("tr", { hasText: node }).textContent();
        expect(row).toContain("etcd, kube-apiserver, kube-controller-manager, kube-scheduler");
      }
      const steps = page.locator(".card", { has: page.getByRole("heading", { name: "After a restore" }) });
      expect(await steps.locator("ol").textContent()).toContain("/etc/kubernetes/manifests");
      expect(await steps.textContent()).toContain("3 nodes as of the snapshot");
      expect(await page.locator("main").textContent()).toContain("Control planestatic pods");
      await accessible();
      await shot("overview-kubeadm-light", true);
      await open(wrong);
      await page.getByText("does not match", { exact: true }).waitFor();
      await page.locator(".note.error", { hasText: "snapshot-hash-mismatch" }).waitFor();
    } finally {
      await whole.stop();
      await wrong.stop();
    }
  });

  test("every view fits a phone", async () => {
    await page.setViewportSize({ width: 360, height: 740 });
    await open(server);
    for (const [name, hash, ready] of VIEWS) {
      await visit(hash, ready);
      expect([name, await page.evaluate("document.documentElement.scrollWidth")]).toEqual([name, 360]);
      await shot(`${name}-phone`);
    }
  });

  test("the token leaves the address, and the cookie is beyond the reach of scripts", async () => {
    await open(server);
    expect(page.url()).not.toContain("token");
    expect(await page.evaluate("document.cookie")).toBe("");
    const [cookie] = await context.cookies();
    expect(cookie).toMatchObject({ httpOnly: true, sameSite: "Strict", value: server.token });
    const other = await browser.newContext();
    const stranger = await other.newPage();
    const answer = await stranger.goto(new URL("/ui/data/overview", server.page).href);
    expect(answer?.status()).toBe(401);
    const wrong = await stranger.goto(`${new URL("/ui/", server.page).href}?token=wrong`);
    expect(wrong?.status()).toBe(401);
    await other.close();
  });

  test("the slider moves every view", async () => {
    await open(server, "#/browse/apps/v1/deployments?ns=shop");
    await page.waitForSelector(".row .cell.first");
    const rows = () => page.locator(".toolbar [role=status]").textContent();
    const newest = await rows();
    await page.locator("input[type=range]").focus();
    await page.keyboard.press("Home");
    await expect.poll(rows, { timeout: 20_000 }).not.toBe(newest);
    expect(page.url()).toContain("at=");
    await page.getByRole("button", { name: "Newest" }).click();
    await expect.poll(rows, { timeout: 20_000 }).toBe(newest);
  });

  test("by keys alone: search, open, mark, and build the command", async () => {
    await open(server);
    await page.keyboard.press("/");
    await page.keyboard.type("web-conf");
    await page.waitForSelector("#results [role=option]");
    await page.keyboard.press("Enter");
    await page.waitForSelector(".code .line");
    expect(await page.locator("h1").textContent()).toBe("web-conf");
    await page.keyboard.press("g");
    await page.keyboard.press("b");
    await page.waitForSelector("main .cards");
    await goTo("#/browse/apps/v1/deployments?ns=shop");
    await page.waitForSelector(".row .cell.first");
    await page.locator("[role=grid]").focus();
    await page.keyboard.press("m");
    await page.keyboard.press("g");
    await page.keyboard.press("r");
    await page.waitForSelector(".command pre");
    const command = await page.locator(".command pre").first().textContent();
    expect(command).toMatch(/^kubemend objects restore \S+snapshot\.db\.gz deployments\.apps\/\S+ -n shop$/);
  });

  test("contents are found by what is in them, and secrets are not", async () => {
    await open(server);
    await page.locator("#search").fill("nginx:1.25");
    await page.waitForSelector("#results [role=option]");
    const label = await server.fetch(`/ui/data/search-contents?words=${encodeURIComponent("app=web")}&limit=200`);
    const labelled = ((await label.json()) as { found: { kind: string; name: string }[] }).found;
    const pods = (await (await server.fetch("/api/v1/pods?labelSelector=app%3Dweb")).json()) as { items: unknown[] };
    expect(labelled.filter(({ kind }) => kind === "Pod").length).toBeGreaterThanOrEqual(pods.items.length);
    expect(pods.items.length).toBeGreaterThan(0);
    const secret = await server.fetch("/ui/data/search-contents?words=password&limit=200");
    const { found } = (await secret.json()) as { found: { kind: string }[] };
    expect(found.filter(({ kind }) => kind === "Secret")).toEqual([]);
  });

  test("a table of thousands is scrolled to its end", async () => {
    const objects = Array.from({ length: 5000 }, (_, i) => ({
      apiVersion: "v1",
      kind: "ConfigMap",
      metadata: { name: `map-${String(i).padStart(5, "0")}`, namespace: "default" },
    }));
    const file = join(directory, "many.db");
    writeFileSync(file, madeSnapshot(clusterEntries(objects as never)));
    const many = await serveFile(file);
    try {
      await open(many, "#/browse/core/v1/configmaps");
      await page.waitForSelector(".row .cell.first");
      await page.locator("[role=grid]").focus();
      await page.keyboard.press("End");
      await page.getByText("map-04999").waitFor();
      expect(await page.locator(".row").count()).toBeLessThan(100);
    } finally {
      await many.stop();
    }
  });

  test("what is wrong with a cluster, refreshed", async () => {
    const [port] = await freePorts(1);
    const kubeconfig = join(directory, "dead-cluster");
    const cluster = { server: `https://127.0.0.1:${port}` };
    const contexts = [{ name: "c", context: { cluster: "c", user: "u" } }];
    writeFileSync(
      kubeconfig,
      JSON.stringify({
        "current-context": "c",
        clusters: [{ name: "c", cluster }],
        contexts,
        users: [{ name: "u", user: { token: "t" } }],
      }),
    );
    const over = new AbortController();
    const address = Promise.withResolvers<string>();
    const flags = { kubeconfig, context: undefined, variables: {} };
    const { signal } = over;
    const options = { cluster: flags, etcd: undefined, deadlineMs: 1000, signal, now: Date.now };
    const checkpointer = {
      node: "m1",
      at: new Date().toISOString(),
      agent: { answers: true },
      apiServer: "nothing listens there",
      checkpoints: [
        {
          id: "kube-system/kube-apiserver",
          pod: "kube-apiserver-7k2xn<b>",
          state: "active",
          since: new Date().toISOString(),
          cause: "the parent is gone",
          runs: 1,
          generations: [
            { number: 1, proven: true },
            { number: 2, proven: false },
          ],
        },
      ],
      findings: [],
    };
    const agent = { pod: "pod-checkpointer-x2", ready: true, restarts: 0, waiting: null };
    const checkpointers = [
      { node: "m1", agent, running: ["kube-apiserver-7k2xn<b>"] },
      { node: "m2", agent: { ...agent, ready: false, restarts: 4, waiting: "CrashLoopBackOff" }, running: [] },
      { node: "m3", agent: null, running: ["kube-flannel-q9"] },
    ];
    const serving = serveDiagnosis({
      host: "127.0.0.1",
      port: 0,
      look: async () => ({ ...(await diagnoseCluster(options)), checkpointer, checkpointers }),
      intervalMs: 500,
      now: Date.now,
      signal,
      onReady: async (to) => address.resolve(to),
    });
    try {
      await page.goto(await address.promise);
      await page.getByRole("heading", { name: "Something is broken" }).waitFor();
      expect(await page.locator(".card").count()).toBeGreaterThan(0);
      await accessible();
      const card = page.locator(".card", { has: page.getByRole("heading", { name: "Checkpointer of m1" }) });
      expect(await card.textContent()).toContain("kube-apiserver-7k2xn<b>active");
      expect(await card.textContent()).toContain("1 proven runs, 2");
      const nodes = page.locator(".card", { has: page.getByRole("heading", { name: "Checkpointers of all nodes" }) });
      expect(await nodes.locator("tbody tr").allTextContents()).toEqual([
        "m1readykube-apiserver-7k2xn<b>",
        "m2CrashLoopBackOff, 4 restartsnothing",
        "m3nonekube-flannel-q9",
      ]);
      await shot("diagnosis-light");
      const stranger = await fetch(new URL("/ui/data/diagnosis", page.url()));
      expect(stranger.status).toBe(401);
    } finally {
      over.abort();
    }
    expect(await serving).toMatchObject({ verdict: "broken" });
  });

  test("hostile names and values stay text", async () => {
    await open(hostile, "#/browse/core/v1/configmaps");
    await page.waitForSelector(".row .cell.first");
    expect(await page.getByText(HOSTILE[0]!, { exact: true }).count()).toBe(1);
    for (let i = 0; i < HOSTILE.length; i++) {
      await goTo(`#/object/core/v1/configmaps/default/hostile-${i}`);
      await page.getByRole("heading", { name: `hostile-${i}` }).waitFor();
      await page.waitForSelector(".code .line");
    }
    await goTo(`#/object/core/v1/configmaps/default/${encodeURIComponent(HOSTILE[0]!)}`);
    await page.waitForSelector(".code .line");
    await page.getByRole("button", { name: "Mark to give back" }).click();
    await page.keyboard.press("g");
    await page.keyboard.press("r");
    await page.waitForSelector(".command pre");
    expect(await page.locator(".command pre").textContent()).toContain(
      "'configmaps/<img src=x onerror=window.hacked=1>'",
    );
    expect(await page.evaluate(() => (globalThis as { hacked?: number }).hacked)).toBeUndefined();
    expect(await page.locator("main img, main script, main b").count()).toBe(0);
  });
});
