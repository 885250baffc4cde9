/** Certificates on this machine's disk, as files or inside kubeconfigs, with the keys that should belong to them. */
import { createPrivateKey, type X509Certificate } from "node:crypto";
import { accessSync, constants, readFileSync, statSync } from "node:fs";
import { delimiter, dirname, isAbsolute, join, resolve } from "node:path";
import { parse } from "yaml";
import { objectOf, objectsOf, textOf } from "../controlplane/fields.ts";
import { readCertificates } from "../diagnosis/certificate-faults.ts";
import type { JsonObject } from "../storage/object.ts";

const MOST_BYTES = 4 << 20;

/** The first certificate of a PEM file: its owner's own. Undefined where there is none to be read. */
export function certificateOf(path: string): X509Certificate | undefined {
  const text = read(path);
  return text === undefined ? undefined : readCertificates(text)[0];
}

/** Undefined where the key cannot be read: only root may. */
export function belongsTogether(certificate: X509Certificate, keyPath: string): boolean | undefined {
  const text = read(keyPath);
  if (text === undefined) return undefined;
  try {
    return certificate.checkPrivateKey(createPrivateKey(text));
  } catch {
    return undefined; // what is no key at all is said by whoever needs it
  }
}

/** The client certificates of a kubeconfig. Empty for what is none. */
export function kubeconfigCertificates(path: string): X509Certificate[] {
  const text = read(path);
  if (text === undefined) return [];
  let config: JsonObject;
  try {
    config = objectOf(parse(text) as JsonObject);
  } catch {
    return [];
  }
  return objectsOf(config.users).flatMap((entry) => {
    const user = objectOf(entry.user);
    const data = textOf(user["client-certificate-data"]);
    if (data !== "") return readCertificates(Buffer.from(data, "base64")).slice(0, 1);
    const file = textOf(user["client-certificate"]);
    const found = file === "" ? undefined : certificateOf(isAbsolute(file) ? file : resolve(dirname(path), file));
    return found === undefined ? [] : [found];
  });
}

/** The authority beside a certificate that signed it, with its key where that is there as well. */
export function authorityBeside(
  certificate: X509Certificate,
  path: string,
): { readonly certificate: string; readonly key: string } | undefined {
  for (const directory of [dirname(path), dirname(dirname(path))]) {
    const found = { certificate: join(directory, "ca.crt"), key: join(directory, "ca.key") };
    const authority = certificateOf(found.certificate);
    if (authority === undefined || read(found.key) === undefined) continue;
    if (certificate.checkIssued(authority) && certificate.verify(authority.publicKey)) return found;
  }
  return undefined;
}

/** Whether a program is on the search path. */
export function isInstalled(program: string, searchPath: string): boolean {
  return searchPath.split(delimiter).some((directory) => {
    try {
      accessSync(join(directory, program), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

function read(path: string): string | undefined {
  try {
    if (statSync(path).size > MOST_BYTES) return undefined;
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
}
