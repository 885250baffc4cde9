import { spawnSync } from "node:child_process";
import { createHash, createPublicKey, generateKeyPairSync, verify } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { expectShown } from "../../test/shown-on-page.ts";
import { publicKeyText, readSigningKey, signature } from "./minisign.ts";

const { privateKey } = generateKeyPairSync("ed25519");
const PEM = privateKey.export({ type: "pkcs8", format: "pem" }).toString();
const BYTES = Buffer.from("sums\n");

/** As `minisign -V` reads both files. */
function check(bytes: Uint8Array, signed: string, publicText: string): string {
  const [, first = "", comment = "", second = ""] = signed.split("\n");
  const packed = Buffer.from(first, "base64");
  const known = Buffer.from(publicText.split("\n")[1] ?? "", "base64");
  expect(packed.subarray(0, 2).toString()).toBe("ED");
  expect(packed.subarray(2, 10).equals(known.subarray(2, 10))).toBe(true);
  const der = Buffer.concat([Buffer.from("302a300506032b6570032100", "hex"), known.subarray(10)]);
  const key = createPublicKey({ key: der, format: "der", type: "spki" });
  const trusted = comment.replace(/^trusted comment: /, "");
  const hash = createHash("blake2b512").update(bytes).digest();
  const all = Buffer.concat([packed.subarray(10), Buffer.from(trusted)]);
  if (!verify(undefined, hash, key, packed.subarray(10))) return "wrong";
  return verify(undefined, all, key, Buffer.from(second, "base64")) ? trusted : "wrong comment";
}

test("a signature in minisign's format", () => {
  const key = readSigningKey(PEM);
  const signed = signature(BYTES, key, "kubemend 1.2.3");
  expect(check(BYTES, signed, publicKeyText(key))).toBe("kubemend 1.2.3");
  expect(check(Buffer.from("Sums\n"), signed, publicKeyText(key))).toBe("wrong");
  expect(check(BYTES, signed.replace("1.2.3", "1.2.4"), publicKeyText(key))).toBe("wrong comment");
});

test("a key of another kind is refused", () => {
  const other = generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey.export({ type: "pkcs8", format: "pem" });
  expect(() => readSigningKey(other.toString())).toThrow("not ed25519");
});

describe("the page about releases", () => {
  const directory = mkdtempSync(join(tmpdir(), "release-check-"));
  afterAll(() => rmSync(directory, { recursive: true }));
  const program = Buffer.from("a program");
  const sums = `${createHash("sha256").update(program).digest("hex")}  kubemend-0.1.0-linux-amd64\n`;
  const key = readSigningKey(PEM);
  writeFileSync(join(directory, "kubemend-0.1.0-linux-amd64"), program);
  writeFileSync(join(directory, "SHA256SUMS"), sums);
  const comment = "kubemend 0.1.0, commit b1489d20fc5af9714e58a17afa299da917bc57b6";
  writeFileSync(join(directory, "SHA256SUMS.minisig"), signature(Buffer.from(sums), key, comment));
  writeFileSync(join(directory, "kubemend.pub"), publicKeyText(key));
  const shell = (script: string) => spawnSync("bash", ["-ec", script], { cwd: directory, encoding: "utf8" });
  /** What the page has after the `$` of the lines that begin so, in their order. */
  const commands = (...beginnings: readonly string[]): string => {
    const lines = readFileSync(join(import.meta.dirname, "../../docs/release.md"), "utf8").split("\n");
    const found = lines.filter((line) => beginnings.some((each) => line.startsWith(`$ ${each}`)));
    expect(found).toHaveLength(beginnings.length);
    return found.map((line) => line.slice(2)).join("\n");
  };
  const has = (script: string): boolean => shell(script).status === 0;

  test("its sums are checked as it says", () => {
    expectShown("docs/release.md", "sha256sum --check", shell(commands("sha256sum --check")).stdout);
  });

  test.skipIf(!has("command -v minisign"))("minisign takes the signature", () => {
    const checked = shell(commands("minisign -Vm"));
    expect(checked.status, checked.stderr).toBe(0);
    expectShown("docs/release.md", "minisign -Vm", checked.stdout);
  });

  test.skipIf(!has("command -v xxd && openssl version | grep -q '^OpenSSL 3'"))("OpenSSL 3 does as well", () => {
    const script = commands("sed -n 2p SHA256SUMS", "(printf", "openssl dgst", "openssl pkeyutl");
    const checked = shell(script);
    expect(checked.status, checked.stderr).toBe(0);
    expectShown("docs/release.md", "openssl pkeyutl", checked.stdout);
    writeFileSync(join(directory, "SHA256SUMS"), sums.replace("linux", "Linux"));
    expect(shell(script).status).not.toBe(0);
    writeFileSync(join(directory, "SHA256SUMS"), sums);
  });
});
