/**
 * Part of the matrix of `test/attack`: all misbehaviours for the commands that do most harm with them, and the
 * interruption of all that wait.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { ClusterApi } from "../src/io/api-server/cluster-api.ts";
import { LiveObjects } from "../src/io/api-server/live-objects.ts";
import { HOSTILE_API, HOSTILE_WATCHES, startHostileApi } from "./attack/hostile-api.ts";
import { HOSTILE_ETCD, startHostileEtcd } from "./attack/hostile-etcd.ts";
import { API_COMMANDS, type Attacked, attack, ETCD_COMMANDS, expectTrueEnd, patiently } from "./attack/matrix.ts";

const named = (all: readonly Attacked[], ...names: readonly string[]) => all.filter(({ name }) => names.includes(name));

describe.concurrent("an API server that answers with", () => {
  test.each(HOSTILE_API)("%s", async (mode) => {
    const server = await startHostileApi(mode);
    try {
      for (const attacked of named(API_COMMANDS, "node drain", "node status"))
        expectTrueEnd(attacked, await attack(attacked, server));
    } finally {
      server.close();
    }
  });
});

describe.concurrent("an etcd that answers with", () => {
  test.each(HOSTILE_ETCD)("%s", async (mode) => {
    const server = await startHostileEtcd(mode);
    try {
      for (const attacked of named(ETCD_COMMANDS, "etcd health", "snapshot save"))
        expectTrueEnd(attacked, await attack(attacked, server));
    } finally {
      server.close();
    }
  });
});

describe.concurrent("an API server with", () => {
  test.each(HOSTILE_WATCHES)("%s is asked a few times and not thousands", async (mode) => {
    const server = await startHostileApi(mode);
    const api = new ClusterApi({ ...NOBODY, server: new URL(server.url) });
    const over = new AbortController();
    new LiveObjects(api, ["/api/v1/pods"], over.signal);
    await sleep(2500);
    over.abort();
    api.close();
    server.close();
    expect(server.requests).toBeGreaterThan(0);
    expect(server.requests).toBeLessThan(20);
  });
});

const NOBODY = {
  source: "test",
  ca: undefined,
  serverName: undefined,
  insecure: false,
  certificate: undefined,
  key: undefined,
  token: undefined,
  proxy: undefined,
};

describe.concurrent("the first interruption ends", () => {
  test.each(API_COMMANDS)("$name", async (attacked) => {
    for (const mode of ["silent", "headers-only", "drip", "too busy"]) {
      const server = await startHostileApi(mode);
      try {
        const outcome = await attack(patiently(attacked), server, { interrupted: true });
        expect(outcome, mode).toMatchObject({ code: 130 });
      } finally {
        server.close();
      }
    }
  });

  test.each(ETCD_COMMANDS)("$name of etcd", async (attacked) => {
    // The v2 API is HTTP/1, where these are no answers at all; endless messages are waited for by a stream alone.
    const modes = attacked.name.includes("v2") ? [] : ["headers only", "drip"];
    if (attacked.name === "snapshot save") modes.push("empty messages without end");
    for (const mode of ["silent", ...modes]) {
      const server = await startHostileEtcd(mode);
      try {
        const outcome = await attack(patiently(attacked), server, { interrupted: true });
        expect(outcome, mode).toMatchObject({ code: 130 });
      } finally {
        server.close();
      }
    }
  });
});

describe.concurrent("a watch that was interrupted before it knew anything does not end as if all were well", () => {
  test.each(
    [
      ["diagnose", "--watch"],
      ["node", "status", "--watch"],
    ].map((argv) => [argv.join(" "), argv] as const),
  )("%s", async (name, argv) => {
    const server = await startHostileApi("silent");
    try {
      const words = [...argv, "--kubeconfig=@", "--request-timeout=10m"];
      const patient = name.startsWith("diagnose") ? [...words, "--probe-timeout=10m"] : words;
      const { code, stderr } = await attack({ name, argv: patient }, server, { interrupted: true });
      expect(code, stderr).toBe(130);
    } finally {
      server.close();
    }
  });
});
