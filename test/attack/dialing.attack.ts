/** The whole matrix: every command that dials, against every misbehaviour of both hostile servers, and interrupted wherever it waits. */
import { describe, expect, test } from "vitest";
import { HOSTILE_API, startHostileApi } from "./hostile-api.ts";
import { HOSTILE_ETCD, startHostileEtcd } from "./hostile-etcd.ts";
import { API_COMMANDS, attackWith, ETCD_COMMANDS, expectTrueEnd, patiently } from "./matrix.ts";

describe.concurrent.each(HOSTILE_API)("an API server that answers with: %s", (mode) => {
  test.each(API_COMMANDS)("$name", async (attacked) => {
    expectTrueEnd(attacked, await attackWith(() => startHostileApi(mode), attacked));
  });
});

describe.concurrent.each(HOSTILE_ETCD)("an etcd that answers with: %s", (mode) => {
  test.each(ETCD_COMMANDS)("$name", async (attacked) => {
    expectTrueEnd(attacked, await attackWith(() => startHostileEtcd(mode), attacked));
  });
});

describe.concurrent.each(HOSTILE_API)("an interruption while an API server answers with: %s", (mode) => {
  test.each(API_COMMANDS)("$name", async (attacked) => {
    const outcome = await attackWith(() => startHostileApi(mode), patiently(attacked), { interrupted: true });
    // What does not wait may have ended by itself.
    if (outcome.code !== 130) expectTrueEnd(attacked, outcome);
    expect(outcome.code).not.toBe("still running");
  });
});

describe.concurrent.each(HOSTILE_ETCD)("an interruption while an etcd answers with: %s", (mode) => {
  test.each(ETCD_COMMANDS)("$name", async (attacked) => {
    const outcome = await attackWith(() => startHostileEtcd(mode), patiently(attacked), { interrupted: true });
    if (outcome.code !== 130) expectTrueEnd(attacked, outcome);
    expect(outcome.code).not.toBe("still running");
  });
});
