import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { addressSource } from "./address-source.ts";

const DIRECTORY = mkdtempSync(join(tmpdir(), "kubemend-hosts-"));
afterAll(() => rmSync(DIRECTORY, { recursive: true }));
const HOSTS = join(DIRECTORY, "hosts");
writeFileSync(HOSTS, "127.0.0.1 localhost\n10.0.0.11\tcp1.example.com CP1 # cp9\n# 10.0.0.12 cp2\nnonsense cp3\n");

test.each([
  ["10.0.0.11", "number"],
  ["admin@10.0.0.11", "number"],
  ["fd00::11", "number"],
  ["admin@[fd00::11]", "number"],
  ["cp1", "hosts"],
  ["root@CP1.example.com", "hosts"],
  ["localhost", "hosts"],
  ["cp2", "dns"],
  ["cp3", "dns"],
  ["cp9", "dns"],
  ["cp1.svc.example.com", "dns"],
  ["bastion.ops.svc", "cluster"],
  ["bastion.ops.svc.cluster.local.", "cluster"],
])("%s is known by %s", (address, source) => {
  expect(addressSource(address, HOSTS)).toBe(source);
});

test("a hosts file that is not there has no names", () => {
  expect(addressSource("cp1", join(DIRECTORY, "none"))).toBe("dns");
});
