import { execFileSync } from "node:child_process";
import { X509Certificate } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import {
  type CertificateRequest,
  generateKey,
  issueCertificate,
  issueSelfSigned,
  type KeyAlgorithm,
  readAuthority,
  type SigningCertificate,
} from "./issue.ts";

const VALID = { notBefore: new Date("2026-01-01T00:00:00Z"), notAfter: new Date("2056-01-01T00:00:00Z") };
const AUTHORITY: CertificateRequest = { commonName: "kubernetes", use: "authority", ...VALID };
const KEY_IDENTIFIERS = /X509v3 (Subject|Authority) Key Identifier:\s+([0-9A-F:]+)/g;

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "certificate-"));
});
afterEach(() => rmSync(directory, { recursive: true }));

const path = (name: string) => join(directory, name);
const read = (name: string) => readFileSync(path(name), "utf8");

function openssl(...args: readonly string[]): string {
  return execFileSync("openssl", args, { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] });
}

async function authority(algorithm: KeyAlgorithm) {
  const key = await generateKey(algorithm);
  const certificatePem = await issueSelfSigned(AUTHORITY, key);
  return { key, certificatePem, signing: readAuthority(certificatePem, key.privateKeyPem) };
}

/** An authority of OpenSSL's making, in `ca.pem` and, as PKCS #8, `ca.key`. */
function foreignAuthority(subject: string, ...args: readonly string[]): void {
  writeFileSync(
    path("ca.cnf"),
    "[req]\ndistinguished_name = subject\nx509_extensions = authority\n[subject]\n[authority]\n",
  );
  const extensions = ["basicConstraints=critical,CA:true", "keyUsage=critical,keyCertSign"];
  openssl(
    ...["req", "-x509", "-config", path("ca.cnf"), "-nodes", "-days", "36500", "-utf8", "-subj", subject],
    ...extensions.flatMap((extension) => ["-addext", extension]),
    ...["-keyout", path("ca.key"), "-out", path("ca.pem"), ...args],
  );
}

const P256 = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"];
const P384 = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-384"];
const P521 = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-521"];
const RSA = ["-newkey", "rsa:2048"];

async function issueLeaf(by: SigningCertificate, changes: Partial<CertificateRequest> = {}): Promise<string> {
  const key = await generateKey("ecdsa-p256");
  return issueCertificate({ commonName: "leaf", use: "server", ...VALID, ...changes }, key.publicKey, by);
}

function verifyStrictly(pem: string, purpose = "sslserver"): string {
  writeFileSync(path("leaf.pem"), pem);
  return openssl("verify", "-x509_strict", "-purpose", purpose, "-CAfile", path("ca.pem"), path("leaf.pem"));
}

/** The issuer's name as its bytes: the second sequence of those that make up a certificate. */
function issuerBytes(pem: string): Buffer {
  writeFileSync(path("parsed.pem"), pem);
  const parts = openssl("asn1parse", "-in", path("parsed.pem")).matchAll(
    /^\s*(\d+):d=2\s+hl=(\d+)\s+l=\s*(\d+)\s+cons: SEQUENCE/gm,
  );
  const [, offset, head, length] = [...parts][1]!.map(Number);
  return new X509Certificate(pem).raw.subarray(offset, offset! + head! + length!);
}

const algorithms: KeyAlgorithm[] = ["ecdsa-p256", "rsa-2048"];

test.each(algorithms)("a chain of %s keys says what was asked for", async (algorithm) => {
  const ca = await authority(algorithm);
  const key = await generateKey(algorithm);
  const pem = await issueCertificate(
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
  expect(parsed.subjectAltName).toBe("DNS:kubernetes.default.svc, IP Address:10.3.0.1, IP Address:FD00:0:0:0:0:0:0:1");
  expect(parsed.keyUsage).toEqual(["1.3.6.1.5.5.7.3.1"]);
  expect(parsed.validFromDate).toEqual(VALID.notBefore);
  expect(parsed.validToDate).toEqual(VALID.notAfter);
  expect(pem).toMatch(/^-----BEGIN CERTIFICATE-----\n([A-Za-z0-9+/=]{1,64}\n)+-----END CERTIFICATE-----\n$/);
});

test.each(algorithms)("OpenSSL accepts a chain of %s keys under its strict rules", async (algorithm) => {
  const ca = await authority(algorithm);
  writeFileSync(path("ca.pem"), ca.certificatePem);
  for (const use of ["server", "client", "peer"] as const) {
    const key = await generateKey(algorithm);
    const request = { commonName: use, use, names: ["localhost", "::1"], ...VALID };
    const pem = await issueCertificate(request, key.publicKey, ca.signing);
    expect(verifyStrictly(pem, use === "client" ? "sslclient" : "sslserver")).toContain(": OK");
  }
});

test("what a key may be used for is what its certificate is for", async () => {
  const usage = (pem: string) => {
    writeFileSync(path("any.pem"), pem);
    const text = openssl(
      "x509",
      "-in",
      path("any.pem"),
      "-noout",
      "-ext",
      "keyUsage,extendedKeyUsage,basicConstraints",
    );
    return text.split("\n").map((line) => line.trim());
  };
  const ca = await authority("ecdsa-p256");
  const rsa = await generateKey("rsa-2048");
  expect(usage(ca.certificatePem)).toEqual([
    "X509v3 Key Usage: critical",
    "Digital Signature, Certificate Sign, CRL Sign",
    "X509v3 Basic Constraints: critical",
    "CA:TRUE",
    "",
  ]);
  expect(await usage(await issueLeaf(ca.signing, { use: "client" }))).toEqual([
    "X509v3 Key Usage: critical",
    "Digital Signature",
    "X509v3 Basic Constraints: critical",
    "CA:FALSE",
    "X509v3 Extended Key Usage:",
    "TLS Web Client Authentication",
    "",
  ]);
  const peer = await issueCertificate({ commonName: "a", use: "peer", ...VALID }, rsa.publicKey, ca.signing);
  expect(usage(peer)).toContain("Digital Signature, Key Encipherment");
  expect(usage(peer)).toContain("TLS Web Server Authentication, TLS Web Client Authentication");
});

test("serial numbers are positive, of 128 bits, and never the same", async () => {
  const { signing } = await authority("ecdsa-p256");
  const pems = await Promise.all(Array.from({ length: 20 }, () => issueLeaf(signing)));
  const serials = pems.map((pem) => new X509Certificate(pem).serialNumber);
  for (const serial of serials) expect(serial).toMatch(/^[4-7][0-9A-F]{31}$/);
  expect(new Set(serials).size).toBe(20);
});

test("names stand as they are, whatever characters they have", async () => {
  const { signing } = await authority("ecdsa-p256");
  const names = { commonName: 'system:node:"a", b+c=d\\', organizations: ["#0403", " Ünits ", ""] };
  const { subject } = new X509Certificate(await issueLeaf(signing, names)).toLegacyObject();
  expect(subject).toEqual({ O: names.organizations, CN: names.commonName });
});

test.each([
  ["text of two alphabets", "/C=CH/O=Ünits/CN=other", P384],
  ["several parts at one level", "/C=CH/O=b+OU=a+CN=other", [...P521, "-multivalue-rdn"]],
  ["no parts", "/", P256],
  ["a part for mail addresses", "/DC=org/emailAddress=a@example.org/CN=x@y_z*", RSA],
])("an authority made by another program is repeated byte for byte as issuer: %s", async (_, subject, args) => {
  foreignAuthority(subject, ...args);
  const pem = await issueLeaf(readAuthority(read("ca.pem"), read("ca.key")), { names: ["localhost"] });
  expect(issuerBytes(pem)).toEqual(issuerBytes(read("ca.pem")));
  if (subject !== "/") expect(verifyStrictly(pem)).toContain(": OK"); // the rules want an authority to have a name
});

test("an authority's own key id is repeated, however it was made", async () => {
  foreignAuthority("/CN=other", ...P256, "-addext", "subjectKeyIdentifier=01:02:03:04");
  const pem = await issueLeaf(readAuthority(read("ca.pem"), read("ca.key")));
  expect(verifyStrictly(pem)).toContain(": OK");
  const ids = openssl("x509", "-in", path("leaf.pem"), "-noout", "-text").matchAll(KEY_IDENTIFIERS);
  expect(Object.fromEntries([...ids].map(([, whose, id]) => [whose, id]))).toMatchObject({ Authority: "01:02:03:04" });
});

test.each([
  ["PKCS #8", "PRIVATE KEY", RSA, ["pkey"]],
  ["PKCS #1", "RSA PRIVATE KEY", RSA, ["rsa", "-traditional"]],
  ["SEC 1", "EC PRIVATE KEY", P256, ["ec"]],
])("an authority's key is read as %s", async (_, label, args, convert) => {
  foreignAuthority("/CN=other", ...args);
  const key = openssl(...convert, "-in", path("ca.key"));
  expect(key).toContain(`BEGIN ${label}-`);
  expect(verifyStrictly(await issueLeaf(readAuthority(read("ca.pem"), key)))).toContain(": OK");
});

test("an authority that cannot sign is refused with the reason", async () => {
  const ca = await authority("ecdsa-p256");
  const other = await generateKey("ecdsa-p256");
  const leaf = await issueCertificate({ commonName: "web", use: "server", ...VALID }, other.publicKey, ca.signing);
  expect(() => readAuthority(leaf, other.privateKeyPem)).toThrow(/"CN=web" is not an authority's/);
  expect(() => readAuthority(ca.certificatePem, other.privateKeyPem)).toThrow(/does not belong to "CN=kubernetes"/);
  expect(() => readAuthority("nonsense", other.privateKeyPem)).toThrow(/cannot be read/);
  expect(() => readAuthority(ca.certificatePem, "nonsense")).toThrow(/cannot be read/);

  const later = { notBefore: new Date("2056-01-01"), notAfter: new Date("2057-01-01") };
  await expect(issueLeaf(ca.signing, later)).rejects.toThrow(/"CN=kubernetes" expired on 2056-01-01/);
  for (const kind of ["ED25519", "RSA-PSS"]) {
    foreignAuthority("/CN=other", "-newkey", kind);
    const signing = readAuthority(read("ca.pem"), read("ca.key"));
    await expect(issueLeaf(signing)).rejects.toThrow(new RegExp(`key of type "${kind}" cannot sign here`, "i"));
  }
});

test("a name that no longer reads as it was written is refused", async () => {
  const ca = await authority("ecdsa-p256");
  const bytes = new X509Certificate(ca.certificatePem).raw;
  for (let at = bytes.indexOf("kubernetes"); at >= 0; at = bytes.indexOf("kubernetes", at))
    bytes.fill(0xff, at, at + 10);
  const damaged = `-----BEGIN CERTIFICATE-----\n${bytes.toString("base64")}\n-----END CERTIFICATE-----\n`;
  await expect(issueLeaf({ ...ca.signing, certificatePem: damaged })).rejects.toMatchObject({
    code: "certificate-invalid",
  });
});
