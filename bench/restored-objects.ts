/** What `bench/objects-restore.ts --json` records, and its table on docs/performance.md. */
import { aligned } from "./aligned.ts";

export interface RestoreRun {
  readonly what: string;
  readonly objects: number;
  readonly seconds: number;
  /** Seconds until the plan, of the writes, and of reading back; of kubemend only, where it wrote. */
  readonly parts?: readonly number[];
  /** Seconds of the CPU. */
  readonly cpu: { readonly client: number; readonly apiServer: number; readonly etcd: number };
}

export interface RestoredObjects {
  readonly day: string;
  readonly processor: string;
  readonly cores: number;
  readonly kubernetes: string;
  /** Of an object, as JSON, on average. */
  readonly bytes: number;
  /** Processes that were running or waiting to, over a minute, before and after. */
  readonly load: readonly [before: number, after: number];
  /** Answers of 429 in the whole run. */
  readonly throttled: number;
  readonly runs: readonly RestoreRun[];
}

/** What the run of `objects restore` itself is called. */
export const RESTORE = "`kubemend objects restore`, read back, with undo";

/** The tables of several runs, as Markdown. */
export function restoredTables(results: readonly RestoredObjects[]): string {
  return results.map(restoredTable).join("\n\n");
}

function restoredTable({ day, processor, cores, kubernetes, bytes, load, throttled, runs }: RestoredObjects): string {
  const rows = runs.map(({ what, objects, seconds, parts, cpu }) => [
    what,
    objects.toLocaleString("en"),
    seconds.toFixed(1),
    parts === undefined ? "" : parts.map((each) => each.toFixed(1)).join(", "),
    String(Math.round(objects / seconds)),
    [cpu.client, cpu.apiServer, cpu.etcd].map((each) => each.toFixed(1)).join(", "),
  ]);
  const head = [
    "what",
    "objects",
    "wall s",
    "plan, write, read back",
    "objects a second",
    "CPU s: client, API server, etcd",
  ];
  const conditions = `ConfigMaps of ${bytes} bytes, Kubernetes ${kubernetes}, ${processor}, ${cores} cores,
${day}, load ${load[0].toFixed(1)} before and ${load[1].toFixed(1)} after; ${throttled} answers of 429 in the whole run:`;
  return `${conditions}\n\n${aligned([head, ...rows], 1)}\n\n${ratios(runs)}`;
}

/** How many times as many objects a second as kubectl, of which all runs count. */
function ratios(runs: readonly RestoreRun[]): string {
  const rate = (what: string) => {
    const found = runs.filter((each) => each.what === what);
    const sum = (of: (run: RestoreRun) => number) => found.reduce((total, each) => total + of(each), 0);
    return sum(({ objects }) => objects) / sum(({ seconds }) => seconds);
  };
  const times = (verb: string) => `${(rate(RESTORE) / rate(`kubectl ${verb}`)).toFixed(1)} times \`kubectl ${verb}\``;
  return `In objects a second that is ${times("create")} and ${times("apply")}.`;
}
