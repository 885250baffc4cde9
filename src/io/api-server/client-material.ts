/**
 * Certificates and keys of a kubeconfig, checked before anything is dialed: what does not fit together is named, and is
 * no failure of the API server.
 */
import { createPrivateKey, type KeyObject, X509Certificate } from "node:crypto";

/** Why a certificate and its key cannot be used, as the end of a sentence; undefined where they can. PEM. */
export function faultOfClient(certificate: string | undefined, key: string | undefined): string | undefined {
  if (certificate === undefined) return undefined;
  if (key === undefined) return "has a client certificate and no client key";
  const own = readCertificate(certificate);
  if (own === undefined) return "has a client certificate that is not a certificate in PEM form";
  if (/ENCRYPTED/.test(key)) return "has a client key that is protected by a passphrase";
  const read = readKey(key);
  if (read === undefined) return "has a client key that is not a private key in PEM form";
  return own.checkPrivateKey(read) ? undefined : "has a client key that does not match its client certificate";
}

/** Why certificates of authorities cannot be used, likewise. */
export function faultOfAuthority(ca: string | undefined): string | undefined {
  if (ca === undefined || readCertificate(ca) !== undefined) return undefined;
  return "has a certificate authority that is not a certificate in PEM form";
}

/** What to do about a fault of {@link faultOfClient}. */
export function hintForClient(fault: string): string {
  return fault.includes("passphrase")
    ? "write the key without one: openssl pkey -in KEY -out NEW-KEY"
    : "pass a kubeconfig whose client-certificate and client-key belong together";
}

function readCertificate(pem: string): X509Certificate | undefined {
  try {
    return new X509Certificate(pem);
  } catch {
    return undefined; // the caller says so
  }
}

function readKey(pem: string): KeyObject | undefined {
  try {
    return createPrivateKey(pem);
  } catch {
    return undefined; // the caller says so
  }
}
