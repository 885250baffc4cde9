import { resolve } from "node:path";
import { Command, InvalidArgumentError, Option } from "commander";
import { MendError } from "../../errors/errors.ts";
import type { RestoreRequest } from "../../objects/undo-record.ts";
import { printJson } from "../../storage/json-text.ts";
import { type CommandContext, EXIT } from "../command.ts";
import type { SelectionOptions } from "../options/object-options.ts";
import {
  type ClusterOptions,
  clusterFlags,
  clusterOptions,
  type OutputOptions,
  outputOptions,
  parseRevision,
  parseTime,
  snapshotOptions,
} from "../options/shared-options.ts";
import { countsText, planText, restoredText, restoreJson } from "../reports/restore-text.ts";
import { confirm } from "../terminal/confirm.ts";
import { lineOf } from "../terminal/escape.ts";

const EXAMPLES = `
Examples:
  kubemend objects restore backup.db -n shop                          # a namespace and all that was in it
  kubemend objects restore backup.db deploy/web configmap/settings -n shop --changed
  kubemend objects restore backup.db@48120 crd/widgets.example.com --with-dependents
  kubemend objects restore backup.db clusterrolebindings -l team=ops --dry-run=server
  kubemend objects restore backup.db -n shop --into-namespace shop-copy
  kubemend objects restore --resume kubemend-undo-20261129T104217Z.jsonl

A plan is shown first. What controllers make, they make again: it is not given back unless it is named. Before each write, what was there goes into the undo
file. Exit code 1 where an object was refused, or could not be given back.`;

interface Options extends OutputOptions, SelectionOptions, ClusterOptions {
  readonly atRevision?: number;
  readonly changed?: true;
  readonly missingOnly?: true;
  readonly withDependents?: true;
  readonly intoNamespace?: string;
  readonly rename: Readonly<Record<string, string>>;
  readonly encryptionConfig?: string;
  readonly etcdPrefix?: string;
  readonly dryRun?: "client" | "server";
  readonly undoFile?: string;
  readonly resume?: string;
  readonly wait: number;
  readonly yes?: true;
}

export function objectsRestoreCommand({ host, exit }: CommandContext): Command {
  const command = outputOptions(new Command("restore"), ["text", "json"])
    .description("give chosen objects of a backup back to a live cluster, with a way back")
    .argument("[snapshot]", "snapshot, or FILE@REVISION for an earlier revision of one")
    .argument("[selection...]", "TYPE, TYPE NAME..., or TYPE/NAME...; everything of -n or -A unless given")
    .option("-n, --namespace <namespace>", 'the namespace of what is chosen ("default" unless given)')
    .option("-A, --all-namespaces", "all namespaces")
    .option("-l, --selector <selector>", "only objects with these labels, such as app=web or 'tier in (a,b)'")
    .addOption(new Option("--at-revision <revision>", "as they were at an earlier revision").argParser(parseRevision))
    .option("--missing-only", "leave alone what is there (the default)")
    .addOption(new Option("--changed", "change back what is there and differs, too").conflicts("missingOnly"))
    .option("--with-dependents", "also what the objects need and what refers to them")
    .option("--into-namespace <namespace>", "give them to another namespace; what belongs to none is left out")
    .addOption(new Option("--rename <OLD=NEW>", "give an object another name").argParser(addRename).default({}, "none"))
    .option("--encryption-config <file>", "the API server's --encryption-provider-config when the backup was taken")
    .option("--etcd-prefix <prefix>", "where the cluster is in etcd (found unless given)")
    .addOption(
      new Option("--dry-run [mode]", "change nothing: show the plan, or have the API server check each write")
        .choices(["client", "server"])
        .preset("client"),
    )
    .option("--undo-file <file>", "where to write what takes it back (kubemend-undo-TIME.jsonl unless given)")
    .option("--resume <undo-file>", "go on with a run that was interrupted")
    .addOption(new Option("--wait <time>", "for what is being deleted").argParser(parseTime).default(60_000, "60s"))
    .option("-y, --yes", "do not ask");
  return clusterOptions(command)
    .addHelpText("after", EXAMPLES)
    .action(async (snapshot: string | undefined, words: readonly string[], options: Options) => {
      const { isComplete, requestOf, restoreObjects } = await import("../../operations/objects/restore.ts");
      const { resume, dryRun, output, undoFile } = options;
      const request =
        resume === undefined
          ? await requestFrom(snapshot, words, options, host.cwd)
          : requestOf(resolveIn(host.cwd, resume));
      if (resume !== undefined && (snapshot !== undefined || words.length > 0)) {
        throw new MendError("usage", "--resume goes on with what the undo file says, and takes no snapshot");
      }
      const { line, ...common } = snapshotOptions(host, options);
      const isText = output === "text";
      const outcome = await restoreObjects({
        ...common,
        request,
        cluster: clusterFlags(host, options),
        dryRun: dryRun ?? "none",
        directory: host.cwd,
        ...(undoFile !== undefined && { undoFile: resolveIn(host.cwd, undoFile) }),
        ...(resume !== undefined && { resume: resolveIn(host.cwd, resume) }),
        waitMs: options.wait,
        now: host.now,
        note: (text) => void host.stderr.write(lineOf`note: ${text}`),
        confirm: async (plan, leftOut) => {
          await line.end();
          await (isText ? host.stdout : host.stderr).write(planText(plan, leftOut));
          await host.stderr.write(countsText(plan));
          const writes = plan.items.filter(({ action }) => action === "create" || action === "update").length;
          if (writes === 0 || dryRun !== undefined) return true;
          return confirm(host, options.yes === true, `Write ${writes} ${writes === 1 ? "object" : "objects"}?`);
        },
      });
      await line.end();
      if (output === "json") await host.stdout.write(`${printJson(restoreJson(outcome))}\n`);
      else if (outcome.results !== undefined) await host.stdout.write(restoredText(outcome, dryRun === "server"));
      else if (dryRun === undefined) await host.stderr.write("nothing was changed\n");
      if (!isComplete(outcome)) exit(EXIT.failed);
    });
}

async function requestFrom(
  snapshot: string | undefined,
  selection: readonly string[],
  options: Options,
  cwd: string,
): Promise<RestoreRequest> {
  const { readMoment } = await import("../../operations/objects/moment.ts");
  if (snapshot === undefined)
    throw new MendError("usage", "the snapshot is missing", { hint: "name it, or pass --resume" });
  const { namespace, allNamespaces, selector, encryptionConfig, etcdPrefix } = options;
  const { file, atRevision } = readMoment(snapshot, options.atRevision);
  if (selection.length === 0 && namespace === undefined && allNamespaces !== true) {
    throw new MendError("usage", "nothing is chosen", {
      hint: "name objects as TYPE/NAME, a namespace with -n, or everything with -A",
    });
  }
  return {
    file: resolveIn(cwd, file),
    atRevision: atRevision ?? null,
    selection,
    namespace: allNamespaces === true ? null : (namespace ?? "default"),
    selector: selector ?? "",
    changed: options.changed === true,
    withDependents: options.withDependents === true,
    intoNamespace: options.intoNamespace ?? null,
    renamed: options.rename,
    encryptionConfig: encryptionConfig === undefined ? null : resolveIn(cwd, encryptionConfig),
    etcdPrefix: etcdPrefix ?? null,
  };
}

const resolveIn = (cwd: string, path: string): string => resolve(cwd, path);

function addRename(text: string, before: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  const match = /^([^=]+)=([^=]+)$/.exec(text);
  if (match === null) throw new InvalidArgumentError("expected OLD=NEW");
  return { ...before, [match[1]!]: match[2]! };
}
