import { describe, expect, test } from "vitest";
import { etcdServiceOf } from "./etcd-service.ts";

const RUNNING = `LoadState=loaded
ActiveState=active
MainPID=812
User=etcd
Group=etcd
WorkingDirectory=/var/lib/etcd
Environment=ETCD_NAME=m1 ETCD_DATA_DIR=/var/lib/etcd/default
EnvironmentFiles=/etc/default/etcd (ignore_errors=yes)
ExecStart={ path=/usr/bin/etcd ; argv[]=/usr/bin/etcd ; ignore_errors=no ; start_time=[n/a] ; pid=0 }
`;

function service(shown: string, files: Readonly<Record<string, string>> = {}, words: readonly string[] = []) {
  return etcdServiceOf(shown, {
    read: (path) => files[path] ?? "",
    words: () => words,
    environment: () => ["PATH=/bin", "ETCD_DATA_DIR=/data/by-environment"],
  });
}

describe("where the data of an etcd that is a unit lies", () => {
  test.each([
    ["in what the process has in its environment", RUNNING, {}, ["/usr/bin/etcd"], "/data/by-environment"],
    ["by the process' own flag", RUNNING, {}, ["/usr/bin/etcd", "--data-dir", "/data/by-flag"], "/data/by-flag"],
    [
      "in the process' configuration",
      RUNNING,
      { "/e.yaml": "data-dir: /data/by-file\n" },
      ["etcd", "--config-file=/e.yaml"],
      "/data/by-file",
    ],
    ["by the unit, where it does not run", RUNNING.replace("812", "0"), {}, [], "/var/lib/etcd/default"],
    [
      "in the unit's file of variables, which counts more",
      RUNNING.replace("812", "0"),
      { "/etc/default/etcd": '# of the package\nETCD_DATA_DIR="/data/by-default-file"\n' },
      [],
      "/data/by-default-file",
    ],
    [
      "by the unit's flag",
      RUNNING.replace("812", "0").replace("argv[]=/usr/bin/etcd", "argv[]=/usr/bin/etcd --data-dir=/data/unit"),
      {},
      [],
      "/data/unit",
    ],
    [
      "below the unit's working directory",
      RUNNING,
      {},
      ["etcd", "--data-dir=default.etcd"],
      "/var/lib/etcd/default.etcd",
    ],
  ] as const)("%s", (_, shown, files, words, expected) => {
    expect(service(shown, files, words)?.dataDir).toBe(expected);
  });

  test("nobody says it", () => {
    const silent = RUNNING.replace("812", "0").replace(/ETCD_DATA_DIR=\S+/, "");
    expect(service(silent)).toEqual({ unit: "etcd.service", active: true, dataDir: undefined, owner: "etcd:etcd" });
  });
});

test("root needs no chown, and a unit that is not there is none", () => {
  expect(service(RUNNING.replace("User=etcd", "User="))?.owner).toBeUndefined();
  expect(service(RUNNING.replace("ActiveState=active", "ActiveState=failed"))?.active).toBe(false);
  expect(service("LoadState=not-found\nActiveState=inactive\n")).toBeUndefined();
});
