import { argument, defineCommand } from "../options/define-command.ts";
import { GET_FLAGS } from "../options/get-flags.ts";
import { snapshotOptions } from "../options/output-flags.ts";
import { IDENTITY_FLAG, SNAPSHOT_ARGUMENT } from "../options/snapshot-flags.ts";

export const snapshotGet = defineCommand({
  name: "get",
  text: "objects, as kubectl get shows them",
  args: {
    file: SNAPSHOT_ARGUMENT,
    type: argument("<type>", "TYPE, TYPE/NAME, or several types with commas"),
    names: argument("[name...]", "names, or more TYPE/NAME"),
  },
  flags: { ...GET_FLAGS, identity: IDENTITY_FLAG },
  examples: [
    "kubemend snapshot get backup.db pods -A -o wide",
    "kubemend snapshot get backup.db deploy/web -n shop -o yaml",
    "kubemend snapshot get backup.db po,svc -n shop -l app=web",
    "kubemend snapshot get backup.db secrets -n kube-system --encryption-config encryption.yaml",
    "kubemend snapshot get backup.db widgets.example.com -A --at-revision 184596",
  ],
  page: "docs/read-a-snapshot.md",
  async run({ file, type, names }, flags, { host }) {
    const { getAndPrint } = await import("../reports/get-objects.ts");
    const { line, ...common } = snapshotOptions(host, flags);
    return getAndPrint(file, [type, ...names], { ...flags, common, line }, host);
  },
});
