/** `start`, whose API server is one that misbehaves: it ends in its time, claims nothing, and takes everything away again. */
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { errorText } from "../../src/cli/error-text.ts";
import { MendError } from "../../src/errors/errors.ts";
import { startControlPlane } from "../../src/operations/start/start.ts";
import { StartWorld } from "../start-world.ts";
import { HOSTILE_API, startHostileApi } from "./hostile-api.ts";
import { expectCleanText } from "./matrix.ts";

describe.concurrent.each(HOSTILE_API)("an API server that answers with: %s", (mode) => {
  test.each(["in its time", "when it is interrupted"])("start ends %s", async (how) => {
    const directory = mkdtempSync(join(tmpdir(), "kubemend-attack-start-"));
    const [world, server] = [await StartWorld.open(directory), await startHostileApi(mode)];
    try {
      const kubeconfig = {
        clusters: [{ name: "c", cluster: { server: server.url } }],
        contexts: [{ name: "x", context: { cluster: "c" } }],
        "current-context": "x",
      };
      writeFileSync(join(directory, "assets/auth/kubeconfig"), JSON.stringify(kubeconfig));
      const interruption = new AbortController();
      const isInterrupted = how !== "in its time";
      const started = startControlPlane({
        ...world.options(),
        now: Date.now,
        timeoutMs: isInterrupted ? 600_000 : 1500,
        signal: interruption.signal,
        manners: { requestTimeoutMs: isInterrupted ? 600_000 : 500 },
      });
      if (isInterrupted) setTimeout(() => interruption.abort(), 300);
      const error: unknown = await started.then(
        () => undefined,
        (reason: unknown) => reason,
      );
      expect(error, "it started").toBeDefined();
      if (!interruption.signal.aborted) expect(error).toBeInstanceOf(MendError);
      if (error instanceof MendError) expect(error.code).not.toBe("internal");
      expectCleanText(error instanceof MendError ? errorText(error) : "");
      expect(readdirSync(world.manifests)).toEqual([]);
      expect(existsSync(world.secretsDir)).toBe(false);
    } finally {
      world.close();
      server.close();
      rmSync(directory, { recursive: true, force: true });
    }
  });
});
