/** A drain as the terminal shows it: kubectl's lines on stdout, and on stderr what kubectl says there and what it keeps to itself. */
import { namespacedName } from "../../kube/names.ts";
import type { DryRun } from "../../operations/drain/cordon-nodes.ts";
import type { BudgetNote, DrainEvent, DrainProgress } from "../../operations/drain/drain-events.ts";
import type { Host } from "../host.ts";
import { LiveLine } from "../terminal/live-line.ts";
import type { ProgressMode } from "../terminal/progress.ts";

export interface DrainReportOptions {
  readonly dryRun: DryRun;
  readonly json: boolean;
  readonly progress: ProgressMode;
}

export class DrainReport {
  readonly #host: Host;
  readonly #options: DrainReportOptions;
  readonly #line: LiveLine;
  readonly #suffix: string;
  readonly #cordoned: string[] = [];
  readonly #drained = new Set<string>();
  /** What was said of each budget last: many pods share one. */
  readonly #budgets = new Map<string, string>();
  #progress: DrainProgress | undefined;

  constructor(host: Host, options: DrainReportOptions) {
    this.#host = host;
    this.#options = options;
    this.#line = new LiveLine(host, options.progress);
    this.#suffix = options.dryRun === "none" ? "" : options.dryRun === "server" ? " (server dry run)" : " (dry run)";
  }

  readonly report = (event: DrainEvent): void => {
    switch (event.type) {
      case "cordoned":
        this.#cordoned.push(event.node);
        this.#out(`node/${event.node} ${event.changed ? "" : "already "}cordoned${this.#suffix}`);
        return;
      case "warning":
        this.#err(`Warning: ${event.text}`);
        return;
      case "removing":
        if (event.evicting) this.#out(`evicting pod ${namespacedName(event.pod)}${this.#suffix}`);
        return;
      case "removed":
        this.#out(`pod/${event.pod.metadata.name} ${event.evicting ? "evicted" : "deleted"}`);
        return;
      case "skipped":
        this.#out(
          `pod "${event.pod.metadata.name}" has DeletionTimestamp older than ${event.seconds} seconds, skipping`,
        );
        return;
      case "refused":
        this.#refused(event);
        return;
      case "held":
        this.#err(`pod "${namespacedName(event.pod)}" is still there: ${event.text}`);
        return;
      case "note":
        this.#err(`note: ${event.text}`);
        return;
      case "waiting-for-replacements":
        for (const { owner, ready, wanted } of event.owners)
          this.#err(`waiting for replacements: ${owner} has ${ready} of ${wanted} pods ready elsewhere`);
        return;
      case "progress":
        this.#progress = event.progress;
        this.#line.set(progressText(event.progress, this.#host.now()));
        return;
      case "drained":
        this.#drained.add(event.node);
        this.#out(`node/${event.node} drained${this.#suffix}`);
        return;
      case "node-failed":
        this.#err(
          `error: unable to drain node "${event.node}" due to error: ${event.errors.join(", ")}, continuing command...`,
        );
        if (event.pending.length > 0)
          this.#err(`There are pending pods in node "${event.node}" when an error occurred:`);
        for (const pod of event.pending) this.#err(`pod/${pod.metadata.name}`);
        return;
    }
  };

  #refused({ pod, message, budgets }: Extract<DrainEvent, { type: "refused" }>): void {
    const { name, namespace } = pod.metadata;
    const when = budgets.length > 0 ? "will retry as soon as its budget allows" : "will retry";
    this.#err(`error when evicting pods/"${name}" -n "${namespace}" (${when}): ${message}`);
    for (const budget of budgets) {
      const text = budgetText(budget);
      if (this.#budgets.get(budget.name) !== text) this.#err(`  ${text}`);
      this.#budgets.set(budget.name, text);
    }
  }

  /** For a drain that ended before its time: what state it leaves. */
  leftBehind(): void {
    this.#line.clear();
    const open = this.#cordoned.filter((node) => !this.#drained.has(node));
    if (open.length === 0 || this.#options.dryRun !== "none") return;
    const { gone = 0, total = 0, terminating = 0 } = this.#progress ?? {};
    const names = open.map((node) => `"${node}"`).join(", ");
    const pods = total === 0 ? "" : `; ${gone} of ${total} pods are gone, ${terminating} more are terminating`;
    this.#err(`node${open.length === 1 ? "" : "s"} ${names} stay${open.length === 1 ? "s" : ""} cordoned${pods}`);
    this.#err(`run the same command again to continue, or take it back: kubemend node uncordon ${open.join(" ")}`);
  }

  end(): void {
    this.#line.clear();
  }

  #out(text: string): void {
    if (!this.#options.json) this.#line.print("stdout", text);
  }

  #err(text: string): void {
    this.#line.print("stderr", text);
  }
}

function budgetText({ name, state, freedBy, unready }: BudgetNote): string {
  const those = unready.length === 0 ? "" : `; not ready: ${unready.join(", ")}`;
  return `budget ${name} (${state}${those}) is freed by: ${freedBy}`;
}

/** Such as `12 of 40 pods gone, 5 terminating (27 s at most), 3 wait for their budgets`. */
function progressText({ total, gone, terminating, waiting, latestEnd }: DrainProgress, now: number): string {
  const parts = [`${gone} of ${total} pods gone`];
  const left = latestEnd === undefined ? "" : ` (${Math.max(0, Math.ceil((latestEnd - now) / 1000))} s at most)`;
  if (terminating > 0) parts.push(`${terminating} terminating${left}`);
  if (waiting > 0)
    parts.push(`${waiting} wait${waiting === 1 ? "s" : ""} for ${waiting === 1 ? "its budget" : "their budgets"}`);
  return parts.join(", ");
}
