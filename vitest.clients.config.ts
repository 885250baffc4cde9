import { defineConfig } from "vitest/config";

/** Real clients (kubectl, client libraries, a browser) on `serve`: programs that take a minute in all, beside `npm test`. */
export default defineConfig({
  test: {
    // Tests run as root, and what they change is nobody's to audit.
    env: { KUBEMEND_AUDIT_LOG: "off" },
    include: ["test/clients/**/*.test.ts"],
    maxWorkers: "100%",
    testTimeout: 120_000,
    hookTimeout: 60_000,
  },
});
