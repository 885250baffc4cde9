/** Certificates on this machine's disk, as files or inside kubeconfigs, with the keys that should belong to them. */
import { createPrivateKey, type X509Certificate } from "node:crypto";
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { dirname, isAbsolute, join, resolve } from "node:path";
import { readCertificates } from "../../certificates/faults.ts";
import { objectOf, objectsOf, textOf } from "../../kube/fields.ts";
import type { JsonObject } from "../../kube/object.ts";
import { readYaml } from "../../kube/read-yaml.ts";

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

/** The client certificates of a kubeconfig, with the file that each is in: the kubeconfig's own or another. Empty for what is none. */
export function kubeconfigCertificates(
  path: string,
): { readonly certificate: X509Certificate; readonly file: string }[] {
  return usersOf(path).flatMap(({ data, file }) => {
    const certificate =
      data !== ""
        ? readCertificates(Buffer.from(data, "base64"))[0]
        : file === undefined
          ? undefined
          : certificateOf(file);
    return certificate === undefined ? [] : [{ certificate, file: data === "" && file !== undefined ? file : path }];
  });
}

/** The files that a kubeconfig has its users' certificates in, where they are not there. Empty for what is none. */
export function missingCertificateFiles(path: string): string[] {
  return usersOf(path).flatMap(({ data, file }) =>
    data !== "" || file === undefined || existsSync(file) ? [] : [file],
  );
}

function usersOf(path: string): { readonly data: string; readonly file: string | undefined }[] {
  const text = read(path);
  if (text === undefined) return [];
  let config: JsonObject;
  try {
    config = objectOf(readYaml(text) as JsonObject);
  } catch {
    return [];
  }
  return objectsOf(config.users).map((entry) => {
    const user = objectOf(entry.user);
    const named = textOf(user["client-certificate"]);
    const file = named === "" ? undefined : isAbsolute(named) ? named : resolve(dirname(path), named);
    return { data: textOf(user["client-certificate-data"]), file };
  });
}

/** The authorities that a kubeconfig trusts, where they are in it. Empty for what is none. */
export function certificateAuthorities(path: string): X509Certificate[] {
  const text = read(path);
  if (text === undefined) return [];
  try {
    return objectsOf(objectOf(readYaml(text) as JsonObject).clusters).flatMap(({ cluster }) =>
      readCertificates(Buffer.from(textOf(objectOf(cluster)["certificate-authority-data"]), "base64")),
    );
  } catch {
    return [];
  }
}

export interface AuthorityFiles {
  readonly certificate: string;
  readonly key: string;
}

/** How authorities' files are called: `ca.crt`, `front-proxy-ca.crt`, `ca.pem`, with their keys beside them. */
const AUTHORITY = /^(.*ca)\.(crt|pem)$/;

/**
 * The authority that signed a certificate, with its key where both are at hand: beside it, in the directory above, or
 * in those given besides. A certificate that is in a kubeconfig is looked for from that file.
 */
export function authorityBeside(
  certificate: X509Certificate,
  path: string,
  elsewhere: readonly string[] = [],
): AuthorityFiles | undefined {
  const near = [dirname(path), dirname(dirname(path))];
  // kubeadm keeps its authorities, etcd's among them, in pki and pki/etcd.
  const directories = new Set([
    ...near,
    ...near.flatMap((each) => [join(each, "pki"), join(each, "etcd")]),
    ...elsewhere,
  ]);
  for (const directory of directories) {
    for (const found of authoritiesIn(directory)) {
      const authority = certificateOf(found.certificate);
      if (authority === undefined || read(found.key) === undefined) continue;
      if (certificate.checkIssued(authority) && certificate.verify(authority.publicKey)) return found;
    }
  }
  return undefined;
}

function authoritiesIn(directory: string): AuthorityFiles[] {
  let names: string[];
  try {
    names = readdirSync(directory).sort();
  } catch {
    return [];
  }
  return names.flatMap((name) => {
    const stem = AUTHORITY.exec(name)?.[1];
    if (stem === undefined) return [];
    const keys = [`${stem}.key`, `${stem}-key.pem`].filter((key) => names.includes(key));
    return keys.map((key) => ({ certificate: join(directory, name), key: join(directory, key) }));
  });
}

function read(path: string): string | undefined {
  try {
    const stat = statSync(path);
    return stat.isFile() && stat.size <= MOST_BYTES ? readFileSync(path, "utf8") : undefined;
  } catch {
    return undefined;
  }
}
