import { defineConfig } from "vitest/config";

/** Attacks: all of what `npm test` has a part of. Minutes, without root. */
export default defineConfig({
  test: {
    // Tests run as root, and what they change is nobody's to audit.
    env: { KUBEMEND_AUDIT_LOG: "off" },
    include: ["test/attack/**/*.attack.ts"],
    maxWorkers: "100%",
    maxConcurrency: 8,
    testTimeout: 120_000,
    hookTimeout: 60_000,
  },
});
