/**
 * `certificate issue`: what is lost of a node's certificates, keys and kubeconfigs is recreated by the authorities
 * whose keys are here; and what that means where they are not.
 */

import { existsSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { realFileSystem } from "../../io/files/durable/file-system.ts";
import { removeDeadLocks } from "../../io/files/durable/lock-file.ts";
import { openReplacement, replaceFile } from "../../io/files/durable/replace-file.ts";
import { openTarget } from "../../io/files/durable/target.ts";
import { writeFile } from "../../io/files/durable/write-file.ts";
import { newOwner } from "../../io/node/own-identity.ts";
import type { Issued, IssueOptions, IssueResult } from "./issue-options.ts";
import { CertificateMaker, type MadeFile } from "./make-certificates.ts";

const COMMAND = "certificate issue";

/**
 * Everything is made before anything is written. Throws `config-invalid`, with the facts as `missing`, where something
 * is needed that no file contains.
 */
export async function issueCertificates(options: IssueOptions): Promise<IssueResult> {
  const maker = new CertificateMaker(options);
  const outputs = await maker.makeAll();
  const issued: Issued[] = [];
  if (!options.dryRun) for (const directory of placesOf(options)) removeDeadLocks(directory);
  for (const output of outputs) {
    const kept = options.dryRun ? null : await place(output, options);
    const { name, file, subject, notAfter } = output;
    issued.push({ name, file, subject, notAfter, kept });
  }
  return { issued, lost: maker.lost, identity: maker.found };
}

/** Returns where the old one is kept. A new one belongs to whom its directory does. */
async function place({ file, text, mode }: MadeFile, { now }: IssueOptions): Promise<string | null> {
  if (existsSync(file)) {
    using target = openReplacement(file, COMMAND);
    const suffix = `until-${new Date(now).toISOString().replace(/[-:]|\.\d+/g, "")}`;
    return await replaceFile(realFileSystem, target, text, suffix, COMMAND);
  }
  if (!existsSync(dirname(file))) realFileSystem.makeDirectory(dirname(file), 0o755);
  const { uid, gid } = statSync(dirname(file));
  using target = openTarget(file, { command: COMMAND, kind: "file", strict: true });
  const owner = { mode, ...newOwner({ uid, gid }) };
  await writeFile(realFileSystem, target, COMMAND, (out) => out.write(Buffer.from(text), 0), { owner });
  return null;
}

/** Where an issue that was killed may have left its lock. */
function placesOf({ kubernetesDir, kubeletDir }: IssueOptions): string[] {
  const places = [kubernetesDir, join(kubernetesDir, "pki"), join(kubernetesDir, "pki/etcd"), join(kubeletDir, "pki")];
  return places.filter((path) => existsSync(path));
}
