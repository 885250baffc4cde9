/** Builds the page of `serve` from `web/`: one script without anything from elsewhere, a style sheet and the document that loads them. */
import { copyFileSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { rolldown } from "rolldown";

const ROOT = join(import.meta.dirname, "..");

/** The names that it writes into `directory`, which is made where it is missing. */
export async function buildPage(directory: string): Promise<readonly string[]> {
  mkdirSync(directory, { recursive: true });
  const bundle = await rolldown({
    cwd: ROOT,
    input: "web/main.tsx",
    platform: "browser",
    tsconfig: "web/tsconfig.json",
    transform: { target: "es2024" },
  });
  await bundle.write({ file: join(directory, "app.js"), format: "esm", minify: true });
  await bundle.close();
  for (const name of ["index.html", "style.css"]) copyFileSync(join(ROOT, "web", name), join(directory, name));
  return ["app.js", "index.html", "style.css"];
}

if (import.meta.main) await buildPage(join(ROOT, "dist/ui"));
