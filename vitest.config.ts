import { join } from "node:path";
import { defineConfig } from "vitest/config";

export default defineConfig({
  // The examples of the library import it by its name.
  resolve: {
    alias: {
      "kubemend/browser": join(import.meta.dirname, "src/browser/index.ts"),
      kubemend: join(import.meta.dirname, "src/index.ts"),
    },
  },
  test: {
    // Tests run as root, and what they change is nobody's to audit.
    env: { KUBEMEND_AUDIT_LOG: "off" },
    include: [
      "src/**/*.test.ts",
      "deploy/**/*.test.ts",
      "test/**/*.test.ts",
      "tools/**/*.test.ts",
      "testbed/**/*.test.ts",
      "web/**/*.test.ts",
    ],
    exclude: ["test/backup/**", "test/contract/**", "test/e2e/**", "test/clients/**"],
    // Half of the tests wait for etcd's disk: a core for Vitest itself would be idle.
    maxWorkers: "100%",
    testTimeout: 60_000,
    hookTimeout: 60_000,
  },
});
