import { expect, test } from "vitest";
import { openStore } from "./open-store.ts";

const options = { env: {}, cwd: "/nowhere" };

test.each([
  ["s3:/key:hunter2@bucket", '"…@bucket" lacks a slash'],
  ["azblob:key:hunter2@container", '"…@container" lacks a slash'],
  ["SFTP:/backup/prod", "lacks a slash"],
  ["azblob:////key:hunter2@container", '"azblob://…@container" names no container'],
  ["s3://rooo%EF%BF%BD/p", '"s3://rooo%EF%BF%BD/p" in region "us-east-1" makes no address of S3'],
  ["s3://bucket/p?region=a b", '"s3://bucket/p?region=a%20b" in region "a b" makes no address of S3'],
  ["s3:////key:hunter2@bucket", '"s3://…@bucket" names no bucket'],
  ["ftp://key:hunter2@host", "is not the address of a backup repository"],
])("%s is refused, without its login", async (address, text) => {
  const refused = openStore(address, options);
  await expect(refused).rejects.toMatchObject({ code: "usage", message: expect.stringContaining(text) });
  await expect(refused).rejects.not.toThrow(/hunter2/);
});

test("a directory of such a name is one where its path says so", async () => {
  expect((await openStore("./s3:prod", options)).url).toBe("/nowhere/s3:prod");
});
