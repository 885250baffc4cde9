import { X509Certificate } from "node:crypto";
import { describe, expect, test } from "vitest";
import { type CertificateRequest, generateKey, issueCertificate, issueSelfSigned } from "./issue.ts";
import { renewCertificate } from "./renewal.ts";

const DAY = 86_400_000;
const now = Date.parse("2026-11-21T00:00:00Z");
const days = (from: number, to: number) => ({
  notBefore: new Date(now + from * DAY),
  notAfter: new Date(now + to * DAY),
});

async function authority(commonName: string) {
  const key = await generateKey("ecdsa-p256");
  const certificatePem = await issueSelfSigned({ commonName, use: "authority", ...days(-400, 400) }, key);
  return { certificatePem, privateKey: key.privateKey };
}

async function expired(request: Pick<CertificateRequest, "commonName" | "organizations" | "use" | "names">) {
  const key = await generateKey("ecdsa-p256");
  const ca = await authority("kubernetes");
  return { ca, old: new X509Certificate(await issueCertificate({ ...request, ...days(-366, -1) }, key.publicKey, ca)) };
}

describe("renewal", () => {
  test.each([
    { commonName: "kube-apiserver", use: "server", names: ["kubernetes", "10.96.0.1", "fd00::1"] },
    { commonName: "kubernetes-admin", use: "client", organizations: ["system:masters"] },
    { commonName: "etcd", use: "peer", names: ["127.0.0.1"], organizations: ["b", "a"] },
  ] as const)("keeps key, names and uses of $commonName", async (request) => {
    const { ca, old } = await expired(request);
    const made = new X509Certificate(await renewCertificate(old, ca, days(0, 365)));
    expect(made.subject).toBe(old.subject);
    expect(made.subjectAltName).toBe(old.subjectAltName);
    expect(made.keyUsage).toEqual(old.keyUsage);
    expect(made.publicKey.equals(old.publicKey)).toBe(true);
    expect(made.validToDate.getTime()).toBe(now + 365 * DAY);
    expect(made.verify(new X509Certificate(ca.certificatePem).publicKey)).toBe(true);
  });

  test("ends with its authority", async () => {
    const { ca, old } = await expired({ commonName: "a", use: "client" });
    const made = new X509Certificate(await renewCertificate(old, ca, days(0, 4000)));
    expect(made.validToDate.getTime()).toBe(now + 400 * DAY);
  });

  test("refuses another authority's, and authorities", async () => {
    const { ca, old } = await expired({ commonName: "a", use: "client" });
    const other = await authority("kubernetes");
    await expect(renewCertificate(old, other, days(0, 1))).rejects.toThrow('was not signed by "CN=kubernetes"');
    const itself = new X509Certificate(ca.certificatePem);
    await expect(renewCertificate(itself, ca, days(0, 1))).rejects.toThrow("is an authority's");
  });

  test("refuses names that it could not repeat", async () => {
    const { ca, old } = await expired({ commonName: "a,b+c", use: "client" });
    const renewed = renewCertificate(old, ca, days(0, 1)).then(
      (pem) => new X509Certificate(pem).subject,
      ({ code }) => code,
    );
    expect([old.subject, "unsupported"]).toContain(await renewed);
  });
});
