/** Which findings about a snapshot stop its restore, and which are only reported. */
import { type Finding, MendError } from "../../errors/errors.ts";
import { input } from "../../errors/input.ts";
import type { HashVerdict } from "../../snapshot/hash-snapshot.ts";
import { readStoreInfo, type Snapshot } from "../../snapshot/open-snapshot.ts";
import { reportHash } from "./status.ts";

export interface RefusalOptions {
  readonly skipHashCheck?: boolean;
  /** Codes of findings that do not stop the restore. */
  readonly allow?: readonly string[];
}

/** Throws `snapshot-refused` or `snapshot-hash-mismatch`, with what has to be passed to restore it all the same. */
export function refuseFindings(snapshot: Snapshot, sha256: HashVerdict, options: RefusalOptions): void {
  const { findings, file } = snapshot;
  if (sha256 !== "verified" && options.skipHashCheck !== true) {
    const text =
      sha256 === "absent"
        ? "the snapshot has no SHA-256 at its end"
        : "the snapshot does not match the SHA-256 at its end";
    throw new MendError(sha256 === "absent" ? "snapshot-refused" : "snapshot-hash-mismatch", text, {
      where: file.path,
      hint:
        sha256 === "absent"
          ? `if it is a copy of member/snap/db of a stopped etcd, pass ${input("skipHashCheck")}`
          : `use another copy of it; ${input("skipHashCheck")} restores it all the same`,
    });
  }
  reportHash(sha256, file.path, (finding) => findings.report({ ...finding, level: "warning" }));
  const allowed = new Set(options.allow);
  const errors = findings.list().filter((finding) => finding.level === "error" && !allowed.has(finding.code));
  const [first] = errors;
  if (first === undefined) return;
  const more = errors.length === 1 ? "" : ` (and ${errors.length - 1} more findings)`;
  const codes = [...new Set(errors.map((finding) => finding.code))];
  throw new MendError("snapshot-refused", `the snapshot is damaged: ${first.text}${more}`, {
    where: first.where,
    hint:
      "see all with kubemend snapshot verify; to restore all the same, pass " +
      `${codes.map((code) => `${input("allow")} ${code}`).join(" ")}`,
  });
}

/** What the new cluster takes over though it may not want it. */
export function remarks(snapshot: Snapshot): Finding[] {
  const { alarms } = readStoreInfo(snapshot);
  return alarms.map((alarm) => ({
    level: "warning",
    code: "alarm-restored",
    where: 'bucket "alarm"',
    text:
      `the snapshot carries the alarm ${alarm.type} of member ${alarm.member}: etcd refuses writes until it is ` +
      "disarmed (etcdctl alarm disarm)",
  }));
}
