import { defineCommand } from "../options/define-command.ts";
import { DESCRIBE_FLAGS } from "../options/get-flags.ts";
import { lookUpOptions } from "../options/output-flags.ts";
import { KIND_ARGUMENT, NAMES_ARGUMENT, SNAPSHOT_ARGUMENT } from "../options/snapshot-flags.ts";

export const snapshotDescribe = defineCommand({
  name: "describe",
  text: "objects field by field, with their events",
  args: {
    file: SNAPSHOT_ARGUMENT,
    type: KIND_ARGUMENT,
    names: NAMES_ARGUMENT,
  },
  flags: DESCRIBE_FLAGS,
  examples: [
    "kubemend snapshot describe backup.db pod/web-0 -n shop",
    "kubemend snapshot describe backup.db nodes",
    "kubemend snapshot describe backup.db deploy -n shop -l app=web --at-revision 184596",
  ],
  notes:
    "Every kind is shown as kubectl describe shows custom resources: all its fields as they are stored, in alphabetical order.",
  page: "docs/read-a-snapshot.md",
  async run({ file, type, names }, flags, { host }) {
    const { describeAndPrint } = await import("../reports/describe-objects.ts");
    const { line, ...common } = lookUpOptions(host, flags);
    return describeAndPrint(file, [type, ...names], { ...flags, common, line }, host);
  },
});
