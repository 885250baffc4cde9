/** The library's file for browsers, in a real one: every object of the fixtures is decoded there as it is in Node. */
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { type Browser, chromium, type Page } from "playwright-core";
import { rolldown } from "rolldown";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { readSnapshot } from "../../src/browser/index.ts";
import { decodeValue } from "../../src/storage/decode.ts";
import { buildBrowser } from "../../tools/build-browser.ts";
import { FIXTURES } from "../kubectl-tables.ts";

const CHROMIUM = process.env.KUBEMEND_TEST_CHROMIUM || "/usr/bin/chromium";
const NAMES = ["k120-broad", "k136-encrypted", "k136-compacted"];
const archive = (name: string) => join(FIXTURES, name, "snapshot.db.gz");

/** Numbers beyond 2^53. */
const bigintText = (_: string, value: unknown) => (typeof value === "bigint" ? String(value) : value);

/** What the page computes too: a line for each key, of what became of it. */
function linesOf(bytes: Uint8Array): string[] {
  return readSnapshot(bytes).entries.map(({ key, value, modRevision }) => {
    const decoded = decodeValue({ key: new TextDecoder().decode(key), value, modRevision });
    return `${new TextDecoder().decode(key)} ${decoded.state} ${JSON.stringify("object" in decoded ? decoded.object : null, bigintText)}`;
  });
}

const sha256 = (text: string) => createHash("sha256").update(text).digest("hex");

describe.skipIf(!existsSync(CHROMIUM))("in Chromium", () => {
  const directory = mkdtempSync(join(tmpdir(), "browser-library-"));
  let browser: Browser;
  let page: Page;
  let server: Server;

  beforeAll(async () => {
    const library = join(directory, "browser.js");
    await buildBrowser(library);
    const example = await rolldown({
      input: join(import.meta.dirname, "../../examples/library/in-a-browser.ts"),
      platform: "browser",
      tsconfig: false,
      resolve: { alias: { "kubemend/browser": library } },
    });
    await example.write({ file: join(directory, "example.js"), format: "esm" });
    await example.close();
    server = createServer(({ url = "" }, response) => {
      const file = url.endsWith(".js") ? join(directory, url.slice(1)) : archive(url.slice(1));
      const type = url.endsWith(".js") ? "text/javascript" : "application/octet-stream";
      if (url === "/") response.setHeader("content-type", "text/html").end("<!doctype html><title>library</title>");
      else if (!existsSync(file)) response.writeHead(404).end();
      else response.setHeader("content-type", type).end(readFileSync(file));
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    browser = await chromium.launch({ executablePath: CHROMIUM, args: ["--no-sandbox"] });
    page = await browser.newPage();
    await page.goto(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
  }, 120_000);
  afterAll(async () => {
    await browser?.close();
    server?.close();
    rmSync(directory, { recursive: true, force: true });
  });

  test.each(NAMES)("every object of %s is what Node makes of it", async (name) => {
    const lines = linesOf(gunzipSync(readFileSync(archive(name))));
    expect(lines.length).toBeGreaterThan(100);
    const script = `(async () => {
      const { readSnapshot, decodeValue } = await import("/browser.js");
      const packed = await (await fetch("/${name}")).blob();
      const plain = packed.stream().pipeThrough(new DecompressionStream("gzip"));
      const { entries, findings } = readSnapshot(new Uint8Array(await new Response(plain).arrayBuffer()));
      const lines = entries.map(({ key, value, modRevision }) => {
        const text = new TextDecoder().decode(key);
        const decoded = decodeValue({ key: text, value, modRevision });
        const object = "object" in decoded ? decoded.object : null;
        return text + " " + decoded.state + " " + JSON.stringify(object, ${bigintText});
      });
      return { text: lines.join("\\n"), findings: findings.length, node: typeof process, buffer: typeof Buffer };
    })()`;
    const found = (await page.evaluate(script)) as { text: string; findings: number; node: string; buffer: string };
    expect({ ...found, text: sha256(found.text) }).toEqual({
      text: sha256(lines.join("\n")),
      findings: 0,
      node: "undefined",
      buffer: "undefined", // nothing of Node's is put into the page
    });
  });

  test("the example of docs/library.md counts what there is", async () => {
    const script = `(async () => {
      const { countKinds } = await import("/example.js");
      const packed = await (await fetch("/k120-broad")).blob();
      return [...await countKinds(packed)];
    })()`;
    const kinds = new Map((await page.evaluate(script)) as [string, number][]);
    const states = linesOf(gunzipSync(readFileSync(archive("k120-broad"))));
    expect([...kinds.values()].reduce((sum, count) => sum + count, 0)).toBe(states.length);
    expect(kinds.get("Namespace")).toBe(states.filter((line) => line.startsWith("/registry/namespaces/")).length);
  });

  test("what is no snapshot is said to be none", async () => {
    const script = `(async () => {
      const { readSnapshot } = await import("/browser.js");
      try { readSnapshot(new Uint8Array(20000)); } catch (error) { return error.code; }
    })()`;
    expect(await page.evaluate(script)).toBe("not-a-snapshot");
  });
});

test("the file for browsers is JavaScript that Node runs too", async () => {
  const directory = mkdtempSync(join(tmpdir(), "browser-library-"));
  try {
    await buildBrowser(join(directory, "browser.mjs"));
    const script = `import("./browser.mjs").then((library) => console.log(Object.keys(library).sort().join(" ")))`;
    const names = execFileSync(process.execPath, ["-e", script], { cwd: directory, encoding: "utf8" }).trim();
    expect(names.split(" ")).toEqual(
      expect.arrayContaining(["MendError", "decodeValue", "jsonPatch", "readBolt", "readSnapshot"]),
    );
  } finally {
    rmSync(directory, { recursive: true });
  }
});
