import { defineConfig } from "vitest/config";

/** Backup agents as processes, beside real etcds and real stores, killed and cut off: longer than unit tests may take. */
export default defineConfig({
  test: {
    // Tests run as root, and what they change is nobody's to audit.
    env: { KUBEMEND_AUDIT_LOG: "off" },
    include: ["test/backup/**/*.test.ts"],
    maxWorkers: "100%",
    testTimeout: 120_000,
    hookTimeout: 60_000,
  },
});
