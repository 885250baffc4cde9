/**
 * A certificate like another one, with the same names and uses, and a new time: what the authority is asked for when
 * one expires, or its key was changed.
 */

import { type KeyObject, X509Certificate } from "node:crypto";
import { MendError } from "../errors/errors.ts";
import { input } from "../errors/input.ts";
import { type CertificateRequest, issueCertificate, type SigningCertificate } from "./issue.ts";

const SERVER_AUTH = "1.3.6.1.5.5.7.3.1";
const CLIENT_AUTH = "1.3.6.1.5.5.7.3.2";

/**
 * PEM. `publicKey`: undefined for that of the old one. Throws `certificate-invalid` where the authority did not sign
 * the old one, or it is an authority itself.
 */
export async function renewCertificate(
  old: X509Certificate,
  authority: SigningCertificate,
  validity: Pick<CertificateRequest, "notBefore" | "notAfter">,
  publicKey?: KeyObject,
): Promise<string> {
  const subject = subjectOf(old);
  const issuer = new X509Certificate(authority.certificatePem);
  if (old.ca) {
    throw new MendError("certificate-invalid", `certificate "${subject}" is an authority's`, {
      hint: "an authority is replaced with everything that it signed, not renewed",
    });
  }
  if (!old.checkIssued(issuer) || !old.verify(issuer.publicKey)) {
    throw new MendError("certificate-invalid", `certificate "${subject}" was not signed by "${subjectOf(issuer)}"`, {
      hint: `pass the authority that signed it as ${input("caCert")} and ${input("caKey")}`,
    });
  }
  const fields = subject.split("\n").map((line) => line.split(/=(.*)/s, 2));
  const valuesOf = (field: string) => fields.flatMap(([name, value]) => (name === field ? [value ?? ""] : []));
  const ends = Math.min(validity.notAfter.getTime(), issuer.validToDate.getTime());
  const pem = await issueCertificate(
    {
      commonName: valuesOf("CN")[0] ?? "",
      organizations: valuesOf("O"),
      use: useOf(old),
      names: namesOf(old),
      notBefore: validity.notBefore,
      notAfter: new Date(ends),
    },
    publicKey ?? old.publicKey,
    authority,
  );
  // Other fields, several values in one, kinds of names that Kubernetes does not use: what does not come back the same is not for us.
  const made = new X509Certificate(pem);
  if (subjectOf(made) !== subject || made.subjectAltName !== old.subjectAltName) {
    throw new MendError(
      "unsupported",
      `the names of certificate "${subject.replaceAll("\n", ", ")}" cannot be repeated`,
      {
        hint: "renew it with the tool that made it",
      },
    );
  }
  return pem;
}

/** OpenSSL's lines, such as `O=system:masters` and `CN=admin`. */
function subjectOf(certificate: X509Certificate): string {
  const subject: string | undefined = certificate.subject; // undefined where it is empty
  return subject ?? "";
}

function useOf(certificate: X509Certificate): CertificateRequest["use"] {
  const uses = certificate.keyUsage as readonly string[] | undefined; // the extended ones, by their ids
  if (uses === undefined) return "peer";
  return uses.includes(SERVER_AUTH) ? (uses.includes(CLIENT_AUTH) ? "peer" : "server") : "client";
}

function namesOf(certificate: X509Certificate): string[] {
  const text: string | undefined = certificate.subjectAltName;
  if (text === undefined || text === "") return [];
  return text.split(", ").map((name) => name.replace(/^(DNS|IP Address):/, ""));
}
