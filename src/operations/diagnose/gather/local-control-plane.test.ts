import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { componentManifests } from "../../../io/node/local-components.ts";
import { etcdDataDir } from "./local-control-plane.ts";

const FLAGS = [{ name: "data-dir", value: "/var/lib/etcd" }];

test("where etcd's data is on the machine, and not where its container sees it", () => {
  const directory = mkdtempSync(join(tmpdir(), "kubemend-data-"));
  try {
    writeFileSync(
      join(directory, "etcd.yaml"),
      JSON.stringify({
        kind: "Pod",
        metadata: { name: "etcd" },
        spec: {
          containers: [
            {
              name: "etcd",
              command: ["etcd", "--data-dir", "/var/lib/etcd"],
              volumeMounts: [{ name: "data", mountPath: "/var/lib/etcd" }],
            },
          ],
          volumes: [{ name: "data", hostPath: { path: "/data/etcd" } }],
        },
      }),
    );
    expect(etcdDataDir(componentManifests(directory), FLAGS)).toBe("/data/etcd");
    expect(etcdDataDir([undefined], FLAGS)).toBe("/var/lib/etcd");
    expect(etcdDataDir([undefined], undefined)).toBeUndefined();
  } finally {
    rmSync(directory, { recursive: true });
  }
});
