/**
 * What is wrong with a certificate, judged by its own content: a server's against the name it was called by and the
 * authorities, a client's by itself.
 */

import { X509Certificate } from "node:crypto";
import { defined } from "../errors/defined.ts";

export interface CertificateFault {
  /** Follows "its certificate" or "our certificate", such as `expired 3 d ago`. */
  readonly text: string;
  readonly kind: "expired" | "not-yet-valid" | "name-mismatch" | "unknown-authority" | "wrong-use";
}

const SERVER_AUTH = "1.3.6.1.5.5.7.3.1";
const CLIENT_AUTH = "1.3.6.1.5.5.7.3.2";

/** Every certificate of a PEM text, in its order. Text that holds none, or one that cannot be read, gives what can be. */
export function readCertificates(pem: string | Uint8Array): X509Certificate[] {
  const text = typeof pem === "string" ? pem : new TextDecoder().decode(pem);
  const certificates: X509Certificate[] = [];
  for (const [block] of text.matchAll(/-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g)) {
    try {
      certificates.push(new X509Certificate(block));
    } catch {
      // What OpenSSL cannot read either: there is nothing to say of it beyond that it is no help.
    }
  }
  return certificates;
}

/** Such as `subject "CN=etcd", issuer "CN=etcd-ca", valid 2026-11-01T00:00:00Z to 2027-11-01T00:00:00Z, for 10.0.0.1, etcd.example`. */
export function describeCertificate(certificate: X509Certificate): string {
  const names = alternativeNames(certificate);
  const parts = [
    `subject "${nameText(certificate.subject)}"`,
    `issuer "${nameText(certificate.issuer)}"`,
    `valid ${timeText(certificate.validFrom)} to ${timeText(certificate.validTo)}`,
  ];
  if (!certificate.ca) parts.push(names.length > 0 ? `for ${names.join(", ")}` : "for no names");
  return parts.join(", ");
}

export interface ServerContext {
  /** The name or address that the server was called by, without brackets. */
  readonly host: string;
  /** Undefined: the system's, which are not looked into. */
  readonly authorities: readonly X509Certificate[] | undefined;
  /** Milliseconds since the epoch. */
  readonly now: number;
}

/** `chain` begins with the server's own certificate. All that is wrong, the worst first. */
export function serverFaults(chain: readonly X509Certificate[], context: ServerContext): CertificateFault[] {
  const [leaf] = chain;
  if (leaf === undefined) return [];
  const faults = [...timeFaults(leaf, context.now)];
  const unknown = authorityFault(chain, context);
  if (unknown !== undefined) faults.push(unknown);
  const { host } = context;
  const matches = isAddress(host) ? leaf.checkIP(host) : leaf.checkHost(host);
  if (matches === undefined) {
    const names = alternativeNames(leaf);
    const are = names.length === 0 ? "no names at all" : names.join(", ");
    faults.push({ kind: "name-mismatch", text: `is not for "${host}", but for ${are}` });
  }
  return [...faults, ...useFaults(leaf, SERVER_AUTH, "a server")];
}

/** What can be said of a client's certificate without the server's help; `authorities` are those that the server is believed to ask for. */
export function clientFaults(
  certificate: X509Certificate,
  context: Pick<ServerContext, "authorities" | "now">,
): CertificateFault[] {
  const faults = [...timeFaults(certificate, context.now), ...useFaults(certificate, CLIENT_AUTH, "a client")];
  const unknown = authorityFault([certificate], context);
  if (unknown !== undefined) faults.push(unknown);
  return faults;
}

function timeFaults(certificate: X509Certificate, now: number): CertificateFault[] {
  const from = Date.parse(certificate.validFrom);
  const to = Date.parse(certificate.validTo);
  if (now > to) return [{ kind: "expired", text: `expired ${spanText(now - to)} ago` }];
  if (now < from) return [{ kind: "not-yet-valid", text: `is not valid yet, for another ${spanText(from - now)}` }];
  return [];
}

function authorityFault(
  chain: readonly X509Certificate[],
  { authorities, now }: Pick<ServerContext, "authorities" | "now">,
): CertificateFault | undefined {
  if (authorities === undefined) return undefined;
  const signedBy = (each: X509Certificate) =>
    authorities.find((authority) => each.fingerprint256 === authority.fingerprint256 || isSignedBy(each, authority));
  const trusted = chain.map(signedBy).find((authority) => authority !== undefined);
  if (trusted !== undefined) {
    const [fault] = timeFaults(trusted, now);
    return fault === undefined
      ? undefined
      : { kind: fault.kind, text: `is of an authority, "${nameText(trusted.subject)}", that itself ${fault.text}` };
  }
  const top = defined(chain.at(-1));
  const namesake = authorities.find((authority) => authority.subject === top.issuer);
  const kind = "unknown-authority";
  if (authorities.length === 0)
    return { kind, text: "cannot be checked: what was given as its authority holds no certificate" };
  const given = authorities.map((authority) => `"${nameText(authority.subject)}"`).join(", ");
  if (namesake !== undefined) {
    return {
      kind,
      text: `is of an authority "${nameText(top.issuer)}" whose key is another than that of the one given`,
    };
  }
  if (top.issuer === top.subject && chain.length === 1) return { kind, text: `is signed by itself, not by ${given}` };
  return { kind, text: `is of the authority "${nameText(top.issuer)}", not of the one given (${given})` };
}

function isSignedBy(certificate: X509Certificate, authority: X509Certificate): boolean {
  return certificate.checkIssued(authority) && certificate.verify(authority.publicKey);
}

function useFaults(certificate: X509Certificate, use: string, who: string): CertificateFault[] {
  const uses = certificate.keyUsage as readonly string[] | undefined;
  if (uses === undefined || uses.includes(use)) return [];
  return [{ kind: "wrong-use", text: `is not made for ${who} (extended key usage)` }];
}

function alternativeNames(certificate: X509Certificate): string[] {
  const text = certificate.subjectAltName ?? "";
  return text === "" ? [] : text.split(", ").map((name) => name.replace(/^(DNS|IP Address|URI|email):/, ""));
}

/** OpenSSL's lines as one: `O=system:masters, CN=admin`. */
function nameText(name: string): string {
  return name.split("\n").join(", ");
}

function timeText(text: string): string {
  const time = Date.parse(text);
  return Number.isNaN(time) ? text : new Date(time).toISOString().replace(".000Z", "Z");
}

function isAddress(host: string): boolean {
  return host.includes(":") || /^\d+(\.\d+){3}$/.test(host);
}

function spanText(milliseconds: number): string {
  const minutes = Math.floor(milliseconds / 60_000);
  if (minutes < 120) return `${minutes} min`;
  return minutes < 48 * 60 ? `${Math.floor(minutes / 60)} h` : `${Math.floor(minutes / 1440)} d`;
}
