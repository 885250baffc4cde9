import { execFileSync } from "node:child_process";
import { X509Certificate } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import {
  addressBytes,
  type CertificateRequest,
  generateKey,
  issueCertificate,
  issueSelfSigned,
  type KeyAlgorithm,
  readAuthority,
} from "./certificate.ts";

const VALID = { notBefore: new Date("2026-01-01T00:00:00Z"), notAfter: new Date("2056-01-01T00:00:00Z") };
const AUTHORITY: CertificateRequest = { commonName: "kubernetes", use: "authority", ...VALID };

function authority(algorithm: KeyAlgorithm) {
  const key = generateKey(algorithm);
  const certificatePem = issueSelfSigned(AUTHORITY, key);
  return { key, certificatePem, signing: readAuthority(certificatePem, key.privateKeyPem) };
}

const algorithms: KeyAlgorithm[] = ["ecdsa-p256", "rsa-2048"];

test.each(algorithms)("a chain of %s keys says what was asked for", (algorithm) => {
  const ca = authority(algorithm);
  const key = generateKey(algorithm);
  const pem = issueCertificate(
    {
      commonName: "kube-apiserver",
      organizations: ["system:masters", "b"],
      use: "server",
      names: ["kubernetes.default.svc", "10.3.0.1", "fd00::1"],
      ...VALID,
    },
    key.publicKey,
    ca.signing,
  );
  const parsed = new X509Certificate(pem);
  const parsedCa = new X509Certificate(ca.certificatePem);
  expect(parsedCa.ca).toBe(true);
  expect(parsed.ca).toBe(false);
  expect(parsed.verify(parsedCa.publicKey)).toBe(true);
  expect(parsed.checkIssued(parsedCa)).toBe(true);
  expect(parsed.checkPrivateKey(key.privateKey)).toBe(true);
  expect(parsed.subject.split("\n")).toEqual(["O=system:masters", "O=b", "CN=kube-apiserver"]);
  expect(parsed.checkHost("kubernetes.default.svc")).toBe("kubernetes.default.svc");
  expect(parsed.checkIP("10.3.0.1")).toBe("10.3.0.1");
  expect(parsed.checkIP("fd00::1")).toBe("fd00::1");
  expect(parsed.keyUsage).toEqual(["1.3.6.1.5.5.7.3.1"]);
  expect(parsed.validFromDate).toEqual(VALID.notBefore);
  expect(parsed.validToDate).toEqual(VALID.notAfter);
});

test.each(algorithms)("OpenSSL accepts a chain of %s keys under its strict rules", (algorithm) => {
  const ca = authority(algorithm);
  const dir = mkdtempSync(join(tmpdir(), "certificate-"));
  try {
    writeFileSync(join(dir, "ca.pem"), ca.certificatePem);
    for (const use of ["server", "client", "peer"] as const) {
      const key = generateKey(algorithm);
      const request = { commonName: use, use, names: ["localhost", "::1"], ...VALID };
      writeFileSync(join(dir, `${use}.pem`), issueCertificate(request, key.publicKey, ca.signing));
      const purpose = use === "client" ? "sslclient" : "sslserver";
      const args = ["verify", "-x509_strict", "-purpose", purpose, "-CAfile", join(dir, "ca.pem")];
      expect(execFileSync("openssl", [...args, join(dir, `${use}.pem`)], { encoding: "utf8" })).toContain(": OK");
    }
  } finally {
    rmSync(dir, { recursive: true });
  }
});

test("an authority made by another program is repeated byte for byte as issuer", () => {
  const dir = mkdtempSync(join(tmpdir(), "certificate-"));
  try {
    const files = ["-keyout", join(dir, "ca.key"), "-out", join(dir, "ca.pem")];
    const subject = "/C=CH/O=Ünits/CN=other";
    execFileSync(
      "openssl",
      [
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-384",
        "-nodes",
        "-utf8",
        "-subj",
        subject,
        ...files,
      ],
      {
        stdio: "ignore",
      },
    );
    const read = (name: string) => execFileSync("cat", [join(dir, name)], { encoding: "utf8" });
    const ca = readAuthority(read("ca.pem"), read("ca.key"));
    const key = generateKey("ecdsa-p256");
    const parsed = new X509Certificate(
      issueCertificate({ commonName: "a", use: "client", ...VALID }, key.publicKey, ca),
    );
    expect(parsed.checkIssued(new X509Certificate(read("ca.pem")))).toBe(true);
    expect(parsed.verify(new X509Certificate(read("ca.pem")).publicKey)).toBe(true);
  } finally {
    rmSync(dir, { recursive: true });
  }
});

test("an authority that cannot sign is refused with the reason", () => {
  const ca = authority("ecdsa-p256");
  const other = generateKey("ecdsa-p256");
  const leaf = issueCertificate({ commonName: "web", use: "server", ...VALID }, other.publicKey, ca.signing);
  expect(() => readAuthority(leaf, other.privateKeyPem)).toThrow(/"CN=web" is not an authority's/);
  expect(() => readAuthority(ca.certificatePem, other.privateKeyPem)).toThrow(/does not belong to "CN=kubernetes"/);
  expect(() => readAuthority("nonsense", other.privateKeyPem)).toThrow(/cannot be read/);
  expect(() => readAuthority(ca.certificatePem, "nonsense")).toThrow(/cannot be read/);
});

test("addresses are told from names by their form", () => {
  expect(addressBytes("10.3.0.1")).toEqual(Uint8Array.of(10, 3, 0, 1));
  expect(addressBytes("::1")).toEqual(Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1));
  expect(addressBytes("fd00:1::a2:3")?.length).toBe(16);
  for (const name of ["master", "10.3.0.256", "10.3.0", "a:b", "1::2::3", "::g", "1:2:3:4:5:6:7:8::"]) {
    expect(addressBytes(name)).toBeUndefined();
  }
});
