/**
 * `certificate renew`: new certificates for the same keys, or for one that was changed, in PEM files and kubeconfigs,
 * signed by an authority whose key is at hand.
 */

import { createPrivateKey, createPublicKey, type KeyObject } from "node:crypto";
import { readCertificates } from "../../certificates/faults.ts";
import { readAuthority } from "../../certificates/issue.ts";
import { renewCertificate } from "../../certificates/renewal.ts";
import { defined } from "../../errors/defined.ts";
import { MendError } from "../../errors/errors.ts";
import { input } from "../../errors/input.ts";
import { recordEvidence } from "../../io/audit/audit-trail.ts";
import { type AuthorityFiles, authorityBeside } from "../../io/files/certificate-files.ts";
import { type FileSystem, realFileSystem } from "../../io/files/durable/file-system.ts";
import { openReplacement, replaceFile } from "../../io/files/durable/replace-file.ts";
import type { Target } from "../../io/files/durable/target.ts";
import { readTextFile } from "../../io/files/read-file.ts";

export interface RenewOptions {
  /** PEM files whose first certificate is meant, or kubeconfigs with certificates in them. */
  readonly files: readonly string[];
  /** Undefined: the one that signed each, where it lies beside the file, above it, or where kubeadm keeps its authorities. */
  readonly authority: AuthorityFiles | undefined;
  /** Directories besides where authorities may be. */
  readonly authorityDirs?: readonly string[];
  /** The private key that the certificate of a single PEM file is to match; undefined: each keeps its own. */
  readonly key: string | undefined;
  /** Undefined: as long as the old one was valid, and a year at least. */
  readonly days: number | undefined;
  readonly dryRun: boolean;
  readonly now: number;
  /** For tests: the layer below. */
  readonly fileSystem?: FileSystem;
}

export interface Renewed {
  readonly file: string;
  readonly subject: string;
  /** RFC 3339. */
  readonly notAfter: string;
  /** Until when the old one is valid, RFC 3339, where that is longer: as the authority ends sooner, or fewer days were asked for. */
  readonly shortenedFrom: string | null;
  /** Where the file is kept as it was; null in a dry run. */
  readonly kept: string | null;
}

const COMMAND = "certificate renew";
const DAY_MS = 86_400_000;
const LEAST_DAYS = 365;
/** For clocks that disagree. */
const EARLIER_MS = 5 * 60_000;
const PEM = /-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----\n?/;
const EMBEDDED = /(client-certificate-data:\s*)(["']?)([A-Za-z0-9+/=]+)\2/g;

/**
 * All are made before the first is written. Throws `certificate-invalid` for what cannot be renewed, `usage` for one
 * key of several files or of a kubeconfig.
 */
export async function renewCertificates(options: RenewOptions): Promise<Renewed[]> {
  if (options.key !== undefined && options.files.length > 1) {
    throw new MendError("usage", "a key belongs to one certificate, and several files are given", {
      hint: `renew one file at a time with ${input("key")}`,
    });
  }
  const targets: Target[] = [];
  try {
    // Before they are read: what is read here is what is replaced.
    const open = options.files.map((file) => {
      const target = options.dryRun ? undefined : openReplacement(file, COMMAND);
      if (target !== undefined) targets.push(target);
      return { file, target };
    });
    const plans = await Promise.all(
      open.map(async (each) => ({ ...each, ...(await planRenewal(each.file, options)) })),
    );
    const suffix = `until-${new Date(options.now).toISOString().replace(/[-:]|\.\d+/g, "")}`;
    const all: Renewed[] = [];
    for (const { file, target, text, renewed } of plans) {
      for (const { subject } of renewed) recordEvidence({ renewed: subject, file });
      const kept =
        target === undefined
          ? null
          : await replaceFile(options.fileSystem ?? realFileSystem, target, text, suffix, COMMAND);
      all.push(...renewed.map((each) => ({ file, ...each, kept })));
    }
    return all;
  } finally {
    for (const target of targets) target[Symbol.dispose]();
  }
}

interface Plan {
  readonly file: string;
  readonly text: string;
  readonly renewed: readonly Pick<Renewed, "subject" | "notAfter" | "shortenedFrom">[];
}

async function planRenewal(file: string, options: RenewOptions): Promise<Plan> {
  const old = readTextFile(file);
  const renewed: Pick<Renewed, "subject" | "notAfter" | "shortenedFrom">[] = [];
  const renew = async (pem: string): Promise<string> => {
    const [certificate] = readCertificates(pem);
    if (certificate === undefined) throw noCertificate(file);
    const paths = options.authority ?? authorityBeside(certificate, file, options.authorityDirs);
    if (paths === undefined) {
      throw new MendError("usage", `no authority is given for "${file}", and none that signed it lies beside it`, {
        where: file,
        hint: `pass ${input("caCert")} and ${input("caKey")}`,
      });
    }
    const authority = readAuthority(readTextFile(paths.certificate), readTextFile(paths.key));
    const span = certificate.validToDate.getTime() - certificate.validFromDate.getTime();
    const lasts = options.days === undefined ? Math.max(span, LEAST_DAYS * DAY_MS) : options.days * DAY_MS;
    const validity = { notBefore: new Date(options.now - EARLIER_MS), notAfter: new Date(options.now + lasts) };
    const publicKey = options.key === undefined ? undefined : publicKeyOf(options.key);
    const next = await renewCertificate(certificate, authority, validity, publicKey);
    const [made] = readCertificates(next);
    const isShorter = defined(made).validToDate < certificate.validToDate;
    renewed.push({
      subject: certificate.subject.replaceAll("\n", ", "),
      notAfter: defined(made).validToDate.toISOString(),
      shortenedFrom: isShorter ? certificate.validToDate.toISOString() : null,
    });
    return next;
  };
  const found = PEM.exec(old)?.[0];
  if (found !== undefined) {
    const next = await renew(found);
    return { file, text: old.replace(found, () => next), renewed };
  }
  let text = old;
  if (options.key !== undefined) {
    throw new MendError("usage", `"${file}" is no PEM file of a certificate, and a kubeconfig holds its key itself`, {
      where: file,
      hint: `leave ${input("key")} out`,
    });
  }
  for (const [all, field, quote, data] of old.matchAll(EMBEDDED)) {
    const next = await renew(Buffer.from(defined(data), "base64").toString("utf8"));
    text = text.replace(all, () => `${field}${quote}${Buffer.from(next).toString("base64")}${quote}`);
  }
  if (renewed.length === 0) throw noCertificate(file);
  return { file, text, renewed };
}

function publicKeyOf(path: string): KeyObject {
  const text = readTextFile(path);
  try {
    return createPublicKey(createPrivateKey(text));
  } catch {
    throw new MendError("certificate-invalid", `"${path}" holds no private key`, {
      where: path,
      hint: "pass a PEM file that holds one, not encrypted",
    });
  }
}

function noCertificate(file: string): MendError {
  return new MendError("certificate-invalid", `"${file}" holds no certificate`, {
    where: file,
    hint: "pass a PEM file, or a kubeconfig with client-certificate-data",
  });
}
