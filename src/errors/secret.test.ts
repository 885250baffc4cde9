import { inspect } from "node:util";
import { expect, test } from "vitest";
import { MendError } from "./errors.ts";
import { Secret, shownWord, withoutLogin, withoutLogins } from "./secret.ts";

test("a secret is shown by nothing but expose", () => {
  for (const value of ["hunter2", Buffer.from("hunter2")]) {
    const secret = new Secret(value);
    expect(secret.expose()).toBe(value);
    const shown = [
      `${secret}`,
      String(secret),
      JSON.stringify({ secret }),
      inspect({ a: [secret] }, { depth: 9, showHidden: true }),
    ];
    for (const text of [...shown, JSON.stringify({ ...secret })]) expect(text).not.toMatch(/hunter2|104/);
  }
});

test.each([
  ["https://user:hunter2@host:2379/a", "https://…@host:2379/a"],
  ["https://user:hun/ter2@host", "https://…@host"],
  ['cannot reach "http://token@host" by socks5://u:p@h:1', 'cannot reach "http://…@host" by socks5://…@h:1'],
  ["s3://key:hunter2@bucket/prefix", "s3://…@bucket/prefix"],
  ["s3:////key:hunter2@bucket/prefix", "s3://…@bucket/prefix"],
  ['no file "/root/azblob:/key:hunter2@bucket"', 'no file "/root/azblob://…@bucket"'],
  ["sftp:key:hunter2@host", "sftp://…@host"],
  ["https:/key:hunter2@host", "https://…@host"],
  ["sftp://backup@host:22/prefix@latest", "sftp://backup@host:22/prefix@latest"],
  ["s3://bucket/prefix@2026-11-29T10:42:17Z", "s3://bucket/prefix@2026-11-29T10:42:17Z"],
  ["backup.db@latest", "backup.db@latest"],
])("logins in %s", (text, shown) => {
  expect(withoutLogins(text)).toBe(shown);
});

test.each([
  ["root:hunter2@10.0.0.1", "…@10.0.0.1"],
  ["s3://root:h@s3://root:hunter2@10.0.0.1", "s3://…@10.0.0.1"],
  ["http://root:h@10.0.0.1:2379\n  http://root:hunter2 ", "http://…@10.0.0.1:2379…"],
  ["http://root:h@10.0.0.1:2379 root:hunter2", "http://…@10.0.0.1:2379…"],
  ["https://10.0.0.1:2379https://root:hunter2", "https://10.0.0.1:2379…"],
  ["infra0=https://10.0.0.1:2380", "infra0=https://10.0.0.1:2380"],
  ["https://a:hun\nter2@host", "https://…@host"],
  ["httPasswordOfTheAdminp://root:hunter2@host:2379", "…@host:2379"],
  ["10.0.0.1:2379", "10.0.0.1:2379"],
  ["https://root:hunter", "https://root:…"],
  ["root:hunter", "root:…"],
  ["https://host:2379/path", "https://host:2379/path"],
  ["https://[fd00::1]:2379", "https://[fd00::1]:2379"],
])("the login in %s", (address, shown) => {
  expect(withoutLogin(address)).toBe(shown);
});

test("an error hides the logins of URLs in all that it says", () => {
  const url = "https://user:hunter2@host";
  const { message, where, hint } = new MendError("usage", `"${url}" is wrong`, { where: url, hint: `not ${url}` });
  expect([message, where, hint]).toEqual([`"https://…@host" is wrong`, "https://…@host", "not https://…@host"]);
});

test("of words out of files with secrets only those of a configuration are shown", () => {
  expect(["aescbcc", "client-key", "new"].map(shownWord)).toEqual(["aescbcc", "client-key", "new"]);
  const secrets = ["EWNSdDv0oFjDnCrcZU2dXJZKmp1SBB7awrurkXyzAAA=", "hunter2", "YwqQEWXiETiTilxlRlAabc==", "a b", ""];
  expect(secrets.map(shownWord)).toEqual(secrets.map(() => "…"));
});

test.each([
  ["@:http://x", 20_000],
  ["a", 100_000],
  ["a.", 50_000],
  [":@s3:", 30_000],
  ["a://b:", 20_000],
  ["s3:a:@ ", 20_000],
])("each part of a long text is looked at once: %j", (part, count) => {
  // The square of these would take from several seconds to minutes.
  const text = part.repeat(count);
  expect(withoutLogins(text)).toBeTypeOf("string");
  expect(withoutLogin(text)).toBeTypeOf("string");
});
