/** Bundles `dist/`: the command line, the library, and the threads' entry files. Native modules stay outside. */
import { defineConfig } from "rolldown";

export default defineConfig({
  input: {
    kubemend: "src/cli/main.ts",
    index: "src/index.ts",
    "sweep-worker": "src/snapshot/sweep-worker.ts",
    "hash-worker": "src/snapshot/hash-worker.ts",
    "content-worker": "src/snapshot/content-worker.ts",
  },
  platform: "node",
  transform: { target: "node22.12" },
  external: [/^@node-rs\//],
  output: { dir: "dist", format: "esm", chunkFileNames: "[name]-[hash].js", minify: false, cleanDir: true },
});
