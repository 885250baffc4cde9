import { resolve } from "node:path";
import { defined } from "../../errors/defined.ts";
import { MendError } from "../../errors/errors.ts";
import type { RestoreRequest } from "../../objects/undo-record.ts";
import { EXIT } from "../command.ts";
import { jsonLine } from "../json-outputs.ts";
import { CLUSTER_FLAGS, clusterFlags } from "../options/cluster-flags.ts";
import { argument, defineCommand } from "../options/define-command.ts";
import { duration, oneOf, path, repeated, toggle, type ValuesOf, words } from "../options/flag.ts";
import { ALL_NAMESPACES_FLAG, SELECTOR_FLAG } from "../options/object-options.ts";
import { resultFlags, snapshotOptions, YES_FLAG } from "../options/output-flags.ts";
import { AT_REVISION_FLAG, ENCRYPTION_FLAG, ETCD_PREFIX_FLAG, IDENTITY_FLAG } from "../options/snapshot-flags.ts";
import { countsText, planText, restoredText, restoreJson } from "../reports/restore-text.ts";
import { confirm } from "../terminal/confirm.ts";
import { lineOf } from "../terminal/escape.ts";

const FLAGS = {
  ...resultFlags(["text", "json"]),
  namespace: words("-n, --namespace <namespace>", 'the namespace of what is chosen (default: "default")'),
  allNamespaces: ALL_NAMESPACES_FLAG,
  selector: SELECTOR_FLAG,
  atRevision: AT_REVISION_FLAG,
  missingOnly: toggle("--missing-only", "leave alone what is there (the default)"),
  changed: toggle("--changed", "change back what is there and differs, too"),
  withDependents: toggle("--with-dependents", "also what the objects need and what refers to them"),
  intoNamespace: words("--into-namespace <namespace>", "give them to another namespace, without what belongs to none"),
  rename: repeated("--rename <OLD=NEW>", "give an object another name"),
  encryptionConfig: ENCRYPTION_FLAG,
  etcdPrefix: ETCD_PREFIX_FLAG,
  identity: IDENTITY_FLAG,
  dryRun: oneOf(
    "--dry-run [mode]",
    ["client", "server"],
    "change nothing: show the plan, or have the API server check each write",
    { preset: "client" },
  ),
  undoFile: path("--undo-file <file>", "where to write what takes it back (default: kubemend-undo-TIME.jsonl)"),
  resume: path("--resume <undo-file>", "continue a run that was interrupted"),
  wait: duration("--wait <duration>", "for what is being deleted", { default: "60s" }),
  yes: YES_FLAG,
  ...CLUSTER_FLAGS,
};
type RestoreFlags = ValuesOf<typeof FLAGS>;

export const objectsRestore = defineCommand({
  name: "restore",
  text: "give chosen objects of a backup back to a live cluster, with a way back",
  args: {
    snapshot: argument("[snapshot]", "a snapshot, FILE@REVISION, or a moment of a backup repository"),
    selection: argument("[selection...]", "TYPE, TYPE NAME..., or TYPE/NAME...; everything of -n or -A unless given"),
  },
  flags: FLAGS,
  examples: [
    "kubemend objects restore backup.db -n shop   # a namespace and all that was in it",
    "kubemend objects restore backup.db deploy/web configmap/settings -n shop --changed",
    "kubemend objects restore backup.db@48120 crd/widgets.example.com --with-dependents",
    "kubemend objects restore backup.db clusterrolebindings -l team=ops --dry-run=server",
    "kubemend objects restore backup.db -n shop --into-namespace shop-copy",
    "kubemend objects restore --resume kubemend-undo-20261129T104217Z.jsonl",
  ],
  notes:
    "A plan is shown first. What controllers make, they make again: it is not given back unless it " +
    "is named. Before each write, what was there goes\ninto the undo file. Exit code 1 where an " +
    "object was refused, or could not be given back.",
  page: "docs/give-back-objects.md",
  async run({ snapshot, selection }, flags, { host }) {
    if (flags.changed && flags.missingOnly)
      throw new MendError("usage", "--changed and --missing-only contradict each other", { hint: "pass one of them" });
    const { isComplete, requestOf, restoreObjects } = await import("../../operations/objects/restore.ts");
    const { resume, dryRun, output, undoFile } = flags;
    checkFlags(flags);
    const request = resume === undefined ? await requestFrom(snapshot, selection, flags, host.cwd) : requestOf(resume);
    if (resume !== undefined && (snapshot !== undefined || selection.length > 0)) {
      throw new MendError("usage", "--resume continues what the undo file records, and takes no snapshot");
    }
    const { line, ...common } = snapshotOptions(host, flags);
    const isText = output === "text";
    let begun: string | undefined;
    const restoring = restoreObjects({
      ...common,
      request,
      cluster: clusterFlags(host, flags),
      dryRun: dryRun ?? "none",
      directory: host.cwd,
      ...(undoFile !== undefined && { undoFile: undoFile }),
      ...(resume !== undefined && { resume }),
      waitMs: flags.wait,
      now: host.now,
      note: (text) => void host.stderr.write(lineOf`note: ${text}`),
      confirm: async (plan, leftOut) => {
        await line.end();
        await (isText ? host.stdout : host.stderr).write(planText(plan, leftOut));
        await host.stderr.write(countsText(plan));
        const writes = plan.items.filter(({ action }) => action === "create" || action === "update").length;
        if (writes === 0 || dryRun !== undefined) return true;
        return confirm(host, flags.yes, `Write ${writes} ${writes === 1 ? "object" : "objects"}?`);
      },
      onUndoFile: (path) => {
        begun = path;
      },
    });
    const outcome = await restoring.catch(async (error) => {
      await line.end();
      if (begun !== undefined) await host.stderr.write(unfinishedText(begun));
      throw error;
    });
    await line.end();
    if (output === "json") await host.stdout.write(jsonLine("objects restore", restoreJson(outcome)));
    else if (outcome.results !== undefined) await host.stdout.write(restoredText(outcome, dryRun === "server"));
    else if (dryRun === undefined) await host.stderr.write("nothing was changed\n");
    return isComplete(outcome) ? undefined : EXIT.failed;
  },
});

/** Where an interrupted run leaves its user. */
const unfinishedText = (undoFile: string): string =>
  lineOf`to continue: kubemend objects restore --resume ${undoFile}` +
  lineOf`to take back what was done until now: kubemend objects undo ${undoFile}`;

/** What an interrupted run was asked for is in its undo file: nothing else can be asked for when it continues. */
function checkFlags(flags: RestoreFlags): void {
  const { resume, intoNamespace } = flags;
  if (intoNamespace !== undefined && !/^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/.test(intoNamespace)) {
    const hint = "use lower-case letters, digits and -, at most 63 of them";
    throw new MendError("usage", `"${intoNamespace}" cannot be the name of a namespace`, { hint });
  }
  if (resume === undefined) return;
  const asked: readonly (readonly [flag: string, isGiven: boolean])[] = [
    ["--namespace", flags.namespace !== undefined],
    ["--all-namespaces", flags.allNamespaces],
    ["--selector", flags.selector !== undefined],
    ["--at-revision", flags.atRevision !== undefined],
    ["--changed", flags.changed],
    ["--with-dependents", flags.withDependents],
    ["--into-namespace", intoNamespace !== undefined],
    ["--rename", flags.rename.length > 0],
    ["--undo-file", flags.undoFile !== undefined],
  ];
  const given = asked.filter(([, isGiven]) => isGiven).map(([flag]) => flag);
  if (given.length === 0) return;
  throw new MendError("usage", `--resume continues what the undo file says, and takes no ${given.join(", ")}`, {
    hint: "leave them out, or begin a new run",
  });
}

async function requestFrom(
  snapshot: string | undefined,
  selection: readonly string[],
  flags: RestoreFlags,
  cwd: string,
): Promise<RestoreRequest> {
  const { readMoment } = await import("../../operations/objects/moment.ts");
  if (snapshot === undefined)
    throw new MendError("usage", "the snapshot is missing", { hint: "name it, or pass --resume" });
  const { namespace, allNamespaces, selector, encryptionConfig, etcdPrefix } = flags;
  const { file, atRevision } = readMoment(snapshot, flags.atRevision);
  if (selection.length === 0 && namespace === undefined && !allNamespaces) {
    throw new MendError("usage", "nothing is chosen", {
      hint: "name objects as TYPE/NAME, a namespace with -n, or everything with -A",
    });
  }
  return {
    file: resolveIn(cwd, file),
    atRevision: atRevision ?? null,
    selection,
    namespace: allNamespaces ? null : (namespace ?? "default"),
    selector: selector ?? "",
    changed: flags.changed,
    withDependents: flags.withDependents,
    intoNamespace: flags.intoNamespace ?? null,
    renamed: readRenames(flags.rename),
    encryptionConfig: encryptionConfig === undefined ? null : resolveIn(cwd, encryptionConfig),
    etcdPrefix: etcdPrefix ?? null,
    history: null,
    identity: flags.identity === undefined ? null : resolveIn(cwd, flags.identity),
  };
}

/** A store's address stays as it is. */
const resolveIn = (cwd: string, path: string): string =>
  /^[a-z][a-z0-9+.-]+:\/\//i.test(path) ? path : resolve(cwd, path);

function readRenames(texts: readonly string[]): Record<string, string> {
  const renamed = new Map<string, string>();
  for (const [old, name] of texts.map(readRename)) {
    if (renamed.has(old)) {
      throw new MendError("usage", `"${old}" is renamed twice`, { hint: "give each object one new name" });
    }
    renamed.set(old, name);
  }
  return Object.fromEntries(renamed);
}

function readRename(text: string): [string, string] {
  const match = /^([^=]+)=([^=]+)$/.exec(text);
  if (match === null)
    throw new MendError("usage", `"${text}" does not rename anything`, { hint: "write it as OLD=NEW" });
  return [defined(match[1]), defined(match[2])];
}
