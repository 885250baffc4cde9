import { existsSync } from "node:fs";
import { MendError } from "../../errors/errors.ts";
import { defineCommand } from "../options/define-command.ts";
import { GET_FLAGS } from "../options/get-flags.ts";
import { lookUpOptions } from "../options/output-flags.ts";
import { KIND_ARGUMENT, NAMES_ARGUMENT, SNAPSHOT_ARGUMENT } from "../options/snapshot-flags.ts";

export const snapshotGet = defineCommand({
  name: "get",
  text: "objects, as kubectl get shows them",
  args: {
    file: SNAPSHOT_ARGUMENT,
    type: KIND_ARGUMENT,
    names: NAMES_ARGUMENT,
  },
  flags: GET_FLAGS,
  examples: [
    "kubemend snapshot get backup.db pods -A -o wide",
    "kubemend snapshot get backup.db deploy/web -n shop -o yaml",
    "kubemend snapshot get backup.db po,svc -n shop -l app=web",
    "kubemend snapshot get backup.db secrets -n kube-system --encryption-config encryption.yaml",
    "kubemend snapshot get backup.db pods -A -o custom-columns=NAME:.metadata.name,NODE:.spec.nodeName --sort-by .spec.nodeName",
    "kubemend snapshot get backup.db widgets.example.com -A --at-revision 184596",
  ],
  page: "docs/read-a-snapshot.md",
  async run({ file, type, names }, flags, { host }) {
    refuseSwappedOrder(file, [type, ...names]);
    const { getAndPrint } = await import("../reports/get-objects.ts");
    const { line, ...common } = lookUpOptions(host, flags);
    return getAndPrint(file, [type, ...names], { ...flags, common, line }, host);
  },
});

/** kubectl's order is the type first: `get pods FILE`. Here the file comes first. */
function refuseSwappedOrder(file: string, words: readonly string[]): void {
  const found = words.find((word) => /[./]/.test(word) && existsSync(word));
  if (found === undefined || existsSync(file) || /[.@:]|^\//.test(file)) return;
  const rest = words.filter((word) => word !== found);
  throw new MendError("usage", `"${file}" stands where the file belongs, and "${found}" is a file`, {
    hint: `the file comes first: kubemend snapshot get ${[found, file, ...rest].join(" ")}`,
  });
}
