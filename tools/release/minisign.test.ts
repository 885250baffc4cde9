import { createHash, createPublicKey, generateKeyPairSync, verify } from "node:crypto";
import { expect, test } from "vitest";
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
