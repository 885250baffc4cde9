/** Builds `dist/browser.js`: the pure part of the library as one file without anything of Node's. */
import { join } from "node:path";
import { rolldown } from "rolldown";

const ROOT = join(import.meta.dirname, "..");

const BUFFER = join(ROOT, "src/browser/buffer.ts");
const NODE_MODULES = join(ROOT, "src/browser/node-modules.ts");

/** Throws where anything of Node's is left in it. */
export async function buildBrowser(file: string): Promise<void> {
  const bundle = await rolldown({
    cwd: ROOT,
    input: "src/browser/index.ts",
    platform: "browser",
    resolve: { alias: { "node:vm": NODE_MODULES, "node:crypto": NODE_MODULES } },
    transform: {
      target: "es2024",
      inject: { Buffer: [BUFFER, "Buffer"], SharedArrayBuffer: [BUFFER, "Unshared"] },
    },
  });
  const { output } = await bundle.write({ file, format: "esm" });
  await bundle.close();
  const foreign = output.flatMap((each) => (each.type === "chunk" ? each.imports : []));
  if (foreign.length > 0) throw new Error(`the file for browsers would need ${foreign.join(", ")}`);
}

if (import.meta.main) await buildBrowser(join(ROOT, "dist/browser.js"));
