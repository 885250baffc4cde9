import { defineConfig } from "vitest/config";

/** Backup agents as processes, beside real etcds and real stores, killed and cut off: longer than unit tests may take. */
export default defineConfig({
  test: {
    include: ["test/backup/**/*.test.ts"],
    maxWorkers: "100%",
    testTimeout: 120_000,
    hookTimeout: 60_000,
  },
});
