import { defineConfig } from "vitest/config";

/** Attacks: all of what `npm test` has a part of. Minutes, without root. */
export default defineConfig({
  test: {
    include: ["test/attack/**/*.attack.ts"],
    maxWorkers: "100%",
    maxConcurrency: 8,
    testTimeout: 120_000,
    hookTimeout: 60_000,
  },
});
