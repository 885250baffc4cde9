/** Files that people take for snapshots, made by the programs that make them: each is named for what it is, also inside of an archive. */
import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { deflateSync, gunzipSync, gzipSync, zstdCompressSync } from "node:zlib";
import { afterAll, expect, test } from "vitest";
import { kubemend } from "./kubemend.ts";

const directory = mkdtempSync(join(tmpdir(), "kubemend-foreign-"));
afterAll(() => rmSync(directory, { recursive: true }));

const SNAPSHOT = gunzipSync(readFileSync(join(import.meta.dirname, "fixtures/kubeadm-k120/snapshot.db.gz"))).subarray(
  0,
  1 << 20,
);
writeFileSync(join(directory, "backup.db"), SNAPSHOT);

function has(program: string): boolean {
  return (process.env.PATH ?? "").split(":").some((place) => existsSync(join(place, program)));
}

/** By a program, where this machine has it. */
const BY_PROGRAMS: readonly (readonly [what: string, program: string, line: string])[] = [
  ["an xz archive", "xz", "xz -c backup.db"],
  ["an lzma archive", "xz", "xz --format=lzma -c backup.db"],
  ["a bzip2 archive", "bzip2", "bzip2 -c backup.db"],
  ["an lz4 archive", "lz4", "lz4 -c backup.db"],
  ["a tar archive", "tar", "tar cf - backup.db"],
  ["a file that openssl encrypted", "openssl", "openssl enc -aes-256-cbc -pbkdf2 -pass pass:x -in backup.db"],
  ["a file that openssl encrypted", "openssl", "openssl enc -aes-256-cbc -a -pbkdf2 -pass pass:x -in backup.db"],
  ["base64 text of a snapshot or an archive", "base64", "base64 backup.db"],
  ["base64 text of a snapshot or an archive", "base64", "gzip -c backup.db | base64 -w0"],
  ["a program", "cat", "cat /bin/sh"],
];

const BY_HAND: readonly (readonly [what: string, bytes: Uint8Array | string])[] = [
  ["a zlib stream", deflateSync(SNAPSHOT)],
  ["an lz4 archive", Buffer.concat([Buffer.from("04224d18", "hex"), Buffer.alloc(9000, 7)])],
  ["a file that age encrypted", `age-encryption.org/v1\n-> X25519 abc\n${"x".repeat(9000)}`],
  ["a file that age encrypted", `-----BEGIN AGE ENCRYPTED FILE-----\n${"YWdl".repeat(3000)}`],
  ["a file that GnuPG encrypted", "-----BEGIN PGP MESSAGE-----\n\nhQ"],
  ["an HTML page", "<!DOCTYPE html>\n<html><head><title>502 Bad Gateway</title></head></html>"],
  ["an HTML page", `  \n<HTML>${" ".repeat(9000)}`],
  ["an XML document", '<?xml version="1.0"?>\n<Error><Code>NoSuchKey</Code></Error>'],
  ["a JSON document", '{"error": "not found"}'],
  ["an SQLite database", Buffer.concat([Buffer.from("SQLite format 3\0"), Buffer.alloc(9000)])],
  ["a Git LFS pointer instead of the file", "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n"],
  ["a text file", "apiVersion: v1\nkind: Pod\n# Grüße\n"],
];

async function refusal(bytes: Uint8Array | string) {
  const file = join(directory, "given");
  writeFileSync(file, bytes);
  return kubemend(directory, ["snapshot", "status", file]);
}

test.each(BY_PROGRAMS)("%s, made by %s: %s", async (what, program, line) => {
  if (!has(program)) return expect(program).toMatch(/^(xz|bzip2|lz4|openssl)$/);
  const bytes = execFileSync("sh", ["-c", line], {
    cwd: directory,
    maxBuffer: 1 << 28,
    stdio: ["ignore", "pipe", "ignore"],
  });
  const { code, stderr } = await refusal(bytes);
  expect(stderr).toContain(`error: it is ${what}, expected an etcd snapshot or database\n`);
  expect(stderr).toMatch(/\nhint: /);
  expect(code).toBe(1);
});

test.each(BY_HAND)("%s", async (what, bytes) => {
  const { stderr } = await refusal(bytes);
  expect(stderr).toContain(`error: it is ${what}, expected an etcd snapshot or database\n`);
  const inside = await refusal(gzipSync(bytes));
  expect(inside.stderr).toContain(`error: it is ${what}, expected an etcd snapshot or database\n`);
});

const ZIP = join(import.meta.dirname, "fixtures/archives/small.zip");

test.each([
  ["a gzip archive", gzipSync(gzipSync(SNAPSHOT))],
  ["a zstd archive", gzipSync(zstdCompressSync(SNAPSHOT))],
  ["a zip archive", gzipSync(readFileSync(ZIP))],
])("%s in an archive: it was packed more than once", async (what, bytes) => {
  const { code, stderr } = await refusal(bytes);
  expect(stderr).toContain(`error: it is ${what}, expected an etcd snapshot or database\n`);
  expect(stderr).toContain("\nhint: it was packed more than once");
  expect(code).toBe(1);
});

test("a damaged database is not called anything else", async () => {
  const damaged = Buffer.from(SNAPSHOT);
  damaged.fill(0xa5, 16, 64);
  damaged.fill(0xa5, 4096 + 16, 4096 + 64);
  expect((await refusal(damaged)).stderr).toContain("neither meta page is valid");
});
