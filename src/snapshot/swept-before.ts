/** A snapshot that is swept more than once reports what is wrong with it once. */
import type { Snapshot } from "./open-snapshot.ts";

/** The same snapshot, of which sweeps report nothing. A value that cannot be read is still reported: it is read when it is asked for. */
export function sweptBefore(snapshot: Snapshot): Snapshot {
  const { report, ...rest } = snapshot.findings;
  const findings: Snapshot["findings"] = {
    ...rest,
    report: (finding) => {
      if (finding.code === "value-unreadable") report(finding);
    },
  };
  return { ...snapshot, findings };
}
