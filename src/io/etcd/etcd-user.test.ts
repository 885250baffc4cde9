import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { findEtcdUser } from "./etcd-user.ts";

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "etcd-user-"));
  for (const name of ["manifests", "etc", "lib", "etc/etcd.service.d"]) mkdirSync(join(root, name));
});
afterEach(() => rmSync(root, { recursive: true }));

const find = (dataDir = "/var/lib/etcd") =>
  findEtcdUser(dataDir, join(root, "manifests"), [join(root, "etc"), join(root, "lib")]);
const write = (name: string, text: string): void => writeFileSync(join(root, name), text);
const pod = (spec: object): string =>
  JSON.stringify({
    kind: "Pod",
    spec: { containers: [{ name: "etcd", command: ["etcd", "--data-dir=/data"] }], ...spec },
  });

test("nothing shows it", () => {
  expect(find()).toBeUndefined();
});

test("a unit, with what drop-ins say last", () => {
  write("lib/etcd.service", "[Service]\nUser=etcd\nExecStart=/usr/bin/etcd --data-dir /srv/etcd\n");
  expect(find()).toEqual({ owner: "etcd", source: join(root, "lib/etcd.service") });
  expect(find("/srv/etcd")?.owner).toBe("etcd");
  expect(find("/tmp/elsewhere")).toBeUndefined();
  write("etc/etcd.service.d/10-group.conf", "[Service]\nGroup = certs\n");
  expect(find()?.owner).toBe("etcd:certs");
  write("etc/etcd.service.d/20-user.conf", "[Service]\nUser=kube\n");
  expect(find()).toEqual({ owner: "kube:certs", source: join(root, "etc/etcd.service.d/20-user.conf") });
  write("etc/etcd.service.d/30-root.conf", "[Service]\nUser=root\n");
  expect(find()).toBeUndefined();
});

test("a name that systemd makes up is not resolved, and nothing else of a unit reaches a command", () => {
  for (const user of ["%i", "etcd; rm -rf /", ""]) {
    write("lib/etcd.service", `[Service]\nUser=${user}\n`);
    expect(find()).toBeUndefined();
  }
});

test("a static pod, whose container has the last word", () => {
  write("lib/etcd.service", "[Service]\nUser=etcd\n");
  write("manifests/etcd.yaml", pod({ securityContext: { runAsUser: 1001, runAsGroup: 1002 } }));
  expect(find()).toEqual({ owner: "1001:1002", source: join(root, "manifests/etcd.yaml") });
  expect(find("/data")?.owner).toBe("1001:1002");
  write("manifests/etcd.yaml", pod({ containers: [{ name: "etcd", securityContext: { runAsUser: 1003 } }] }));
  expect(find()?.owner).toBe("1003");
  write("manifests/etcd.yaml", "a: [");
  expect(find()?.owner).toBe("etcd");
});
