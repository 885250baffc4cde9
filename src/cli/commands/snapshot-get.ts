<<<<<<< HEAD
import { argument, defineCommand } from "../options/define-command.ts";
import { GET_FLAGS } from "../options/get-flags.ts";
import { snapshotOptions } from "../options/output-flags.ts";
import { SNAPSHOT_ARGUMENT } from "../options/snapshot-flags.ts";

export const snapshotGet = defineCommand({
  name: "get",
  text: "objects, as kubectl get shows them",
  args: {
    file: SNAPSHOT_ARGUMENT,
    type: argument("<type>", "TYPE, TYPE/NAME, or several types with commas"),
    names: argument("[name...]", "names, or more TYPE/NAME"),
  },
  flags: GET_FLAGS,
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
=======
import { Command, Option } from "commander";
import type { CommandContext } from "../command.ts";
import {
  identityOption,
  type OutputOptions,
  outputOptions,
  parseRevision,
  SNAPSHOT_ARGUMENT,
  snapshotOptions,
} from "../options/shared-options.ts";
import type { GetFlags } from "../reports/get-objects.ts";

const EXAMPLES = `
Examples:
  kubemend snapshot get backup.db pods -A -o wide
  kubemend snapshot get backup.db deploy/web -n shop -o yaml
  kubemend snapshot get backup.db po,svc -n shop -l app=web
  kubemend snapshot get backup.db secrets -n kube-system --encryption-config encryption.yaml
  kubemend snapshot get backup.db widgets.example.com -A --at-revision 184596`;

const FORMATS = ["text", "wide", "name", "yaml", "json", "jsonl"];

type Options = OutputOptions & GetFlags;

export function snapshotGetCommand({ host, exit }: CommandContext): Command {
  return identityOption(outputOptions(new Command("get"), FORMATS))
    .description("objects, as kubectl get shows them")
    .argument("<file>", SNAPSHOT_ARGUMENT)
    .argument("<type>", "TYPE, TYPE/NAME, or several types with commas")
    .argument("[name...]", "names, or more TYPE/NAME")
    .option("-n, --namespace <namespace>", "the namespace to look in", "default")
    .option("-A, --all-namespaces", "look in all namespaces")
    .option("-l, --selector <selector>", "only objects with these labels, such as app=web or 'tier in (a,b)'", "")
    .addOption(
      new Option("-L, --label-columns <labels>", "a column for each of these labels")
        .argParser((text, before: readonly string[]) => [...before, ...text.split(",")])
        .default([], "none"),
    )
    .option("--show-labels", "a last column with all labels")
    .option("--no-headers", "rows only")
    .addOption(new Option("--at-revision <revision>", "as they were at an earlier revision").argParser(parseRevision))
    .option("--encryption-config <file>", "the API server's --encryption-provider-config")
    .option("--etcd-prefix <prefix>", "where the cluster is in etcd (found unless given)")
    .option("--show-secrets", "print the data of secrets (with -o yaml, json and jsonl)")
    .option("--show-managed-fields", "print metadata.managedFields")
    .addHelpText("after", EXAMPLES)
    .action(async (file: string, type: string, names: readonly string[], options: Options) => {
      const { getAndPrint } = await import("../reports/get-objects.ts");
      const { line, ...common } = snapshotOptions(host, options);
      await getAndPrint(file, [type, ...names], { ...options, common, line }, host, exit);
    });
}
>>>>>>> f181ba8 (Moments of backup repositories everywhere a snapshot is taken; the format and why it is so)
