import { defineConfig } from "vitest/config";

/** End-to-end tests run real clusters on this machine, one file after another: they need root on Linux (docs/testbed.md). */
export default defineConfig({
  test: {
    // Tests run as root, and what they change is nobody's to audit.
    env: { KUBEMEND_AUDIT_LOG: "off" },
    include: ["test/contract/**/*.test.ts", "test/e2e/**/*.test.ts"],
    globalSetup: ["test/e2e/setup.ts"],
    fileParallelism: false,
    testTimeout: 600_000,
    hookTimeout: 600_000,
    teardownTimeout: 60_000,
  },
});
