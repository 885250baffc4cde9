import { X509Certificate } from "node:crypto";
import { beforeAll, expect, test } from "vitest";
import { clientFaults, describeCertificate, readCertificates, serverFaults } from "./faults.ts";
import {
  type CertificateRequest,
  generateKey,
  issueCertificate,
  issueSelfSigned,
  type SigningCertificate,
} from "./issue.ts";

const DAY = 86_400_000;
const NOW = Date.parse("2026-11-21T12:00:00Z");
const at = (days: number) => new Date(NOW + days * DAY);

let authority: SigningCertificate;
let namesake: SigningCertificate;
let stale: SigningCertificate;

async function makeAuthority(commonName: string, days = 100): Promise<SigningCertificate> {
  const key = await generateKey("ecdsa-p256");
  const request = { commonName, use: "authority", notBefore: at(-100), notAfter: at(days) } as const;
  return { certificatePem: await issueSelfSigned(request, key), privateKey: key.privateKey };
}

beforeAll(async () => {
  [authority, namesake, stale] = await Promise.all([
    makeAuthority("ca"),
    makeAuthority("ca"),
    makeAuthority("old", -2),
  ]);
});

async function issue(change: Partial<CertificateRequest> = {}, by = authority): Promise<X509Certificate> {
  const key = await generateKey("ecdsa-p256");
  const names = ["10.0.0.1", "etcd.example", "*.wild.example", "fd00::1"];
  const request = {
    commonName: "etcd",
    use: "server",
    names,
    notBefore: at(-10),
    notAfter: at(10),
    ...change,
  } as const;
  return new X509Certificate(await issueCertificate(request, key.publicKey, by));
}

const given = () => readCertificates(authority.certificatePem);
const texts = (faults: readonly { readonly text: string }[]) => faults.map(({ text }) => text);
const faultsOf = async (change: Partial<CertificateRequest>, host = "10.0.0.1", by = authority) =>
  texts(serverFaults([await issue(change, by)], { host, authorities: given(), now: NOW }));

test.each(["10.0.0.1", "etcd.example", "a.wild.example", "fd00::1", "FD00:0::1"])(
  "nothing is wrong, called %s",
  async (host) => {
    expect(await faultsOf({}, host)).toEqual([]);
  },
);

test.each([
  [{ notAfter: at(-3) }, "expired 3 d ago"],
  [{ notAfter: at(-0.5) }, "expired 12 h ago"],
  [{ notAfter: at(-0.01) }, "expired 14 min ago"],
  [{ notBefore: at(5), notAfter: at(9) }, "is not valid yet, for another 5 d"],
  [{ use: "client" as const }, "is not made for a server (extended key usage)"],
  [{ names: ["else"] }, 'is not for "10.0.0.1", but for else'],
  [{ names: [] }, 'is not for "10.0.0.1", but for no names at all'],
])("a server's certificate: %j", async (change, text) => {
  expect(await faultsOf(change)).toEqual([text]);
});

test("all that is wrong is reported, the worst first", async () => {
  expect(await faultsOf({ notAfter: at(-3), names: ["else"] }, "h", namesake)).toEqual([
    "expired 3 d ago",
    'is of an authority "CN=ca" whose key is another than that of the one given',
    'is not for "h", but for else',
  ]);
});

test("authorities: another, an expired one, none in the file, itself, by an intermediate, the system's", async () => {
  const other = await makeAuthority("other");
  expect(await faultsOf({}, "10.0.0.1", other)).toEqual([
    'is of the authority "CN=other", not of the one given ("CN=ca")',
  ]);
  const old = await issue({}, stale);
  const context = { host: "10.0.0.1", now: NOW };
  const judged = (chain: X509Certificate[], authorities: X509Certificate[] | undefined) =>
    texts(serverFaults(chain, { ...context, authorities }));
  expect(judged([old], readCertificates(stale.certificatePem))).toEqual([
    'is of an authority, "CN=old", that itself expired 2 d ago',
  ]);
  expect(judged([await issue()], readCertificates("no PEM"))).toEqual([
    "cannot be checked: what was given as its authority holds no certificate",
  ]);
  expect(judged([await issue()], undefined)).toEqual([]);
  const own = readCertificates(other.certificatePem);
  expect(judged(own, given())[0]).toBe('is signed by itself, not by "CN=ca"');
  expect(judged([await issue({}, other), ...own], [...given(), ...own])).toEqual([]);
});

test("a client's certificate", async () => {
  const context = { authorities: given(), now: NOW };
  expect(clientFaults(await issue({ use: "client" }), context)).toEqual([]);
  expect(clientFaults(await issue({ use: "peer" }), context)).toEqual([]);
  expect(texts(clientFaults(await issue({ use: "server", notAfter: at(-1) }), context))).toEqual([
    "expired 24 h ago",
    "is not made for a client (extended key usage)",
  ]);
});

test("a certificate in words, with nothing secret in it", async () => {
  expect(describeCertificate(await issue({ organizations: ["system:masters"] }))).toBe(
    'subject "O=system:masters, CN=etcd", issuer "CN=ca", valid 2026-11-11T12:00:00Z to ' +
      "2026-12-01T12:00:00Z, for 10.0.0.1, etcd.example, *.wild.example, FD00:0:0:0:0:0:0:1",
  );
  expect(describeCertificate(given()[0]!)).not.toContain("for ");
});

test("PEM that cannot be read is passed over", () => {
  const broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
  expect(readCertificates(broken + authority.certificatePem)).toHaveLength(1);
  expect(readCertificates("")).toEqual([]);
});
