import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { parse } from "yaml";
import packageJson from "../../package.json" with { type: "json" };
import { archivesIn, writeManifests } from "./collect.ts";

const DIRECTORY = mkdtempSync(join(tmpdir(), "kubemend-collect-"));
afterAll(() => rmSync(DIRECTORY, { recursive: true }));
const REPOSITORY = "https://example.com/kubemend";
const archive = (platform: string) => `kubemend-${packageJson.version}-${platform}.tar.gz`;

test("both manifests name every platform of the release with its sum", () => {
  expect(() => archivesIn(DIRECTORY, REPOSITORY)).toThrow("has no archive");
  for (const platform of ["linux-arm64", "linux-amd64", "other-amd64"])
    writeFileSync(join(DIRECTORY, archive(platform)), platform);
  writeFileSync(join(DIRECTORY, "kubemend-9.9.9-linux-amd64.tar.gz"), "of another version");
  writeManifests(DIRECTORY, REPOSITORY, "a summary");
  const sum = (text: string) => createHash("sha256").update(text).digest("hex");
  const { spec } = parse(readFileSync(join(DIRECTORY, "mend.yaml"), "utf8"));
  expect(spec.platforms.map(({ selector, uri, sha256 }: never) => ({ ...(selector as object), uri, sha256 }))).toEqual(
    ["amd64", "arm64"].map((arch) => ({
      matchLabels: { os: "linux", arch },
      uri: `${REPOSITORY}/releases/download/v${packageJson.version}/${archive(`linux-${arch}`)}`,
      sha256: sum(`linux-${arch}`),
    })),
  );
  const formula = readFileSync(join(DIRECTORY, "kubemend.rb"), "utf8");
  expect(formula.match(/sha256 "([0-9a-f]{64})"/g)).toHaveLength(2);
  expect(formula).toMatch(/on_linux do\s+on_intel do/);
  expect(formula).toMatch(/on_linux do\s+on_arm do/);
});
