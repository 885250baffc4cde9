/**
 * One screen of a diagnosis: what is broken first, each with its evidence, its consequence and what mends it; then a
 * line for each area.
 */
import type { AreaSummary } from "../../diagnosis/diagnose.ts";
import type { Trouble } from "../../diagnosis/trouble.ts";
import type { DiagnoseResult } from "../../operations/diagnose/diagnose.ts";
import { oneLine } from "../terminal/escape.ts";
import { type Style, styled, type Text } from "../terminal/styled.ts";

const LABELS = { error: "BROKEN", warning: "WARNING", info: "NOTE" } as const;
const STYLES = {
  error: "error",
  warning: "warning",
  info: "note",
  ok: "good",
  broken: "error",
  unknown: "warning",
} as const satisfies Record<string, Style>;
const TITLES: Readonly<Record<Trouble["area"], string>> = {
  "api-server": "API server",
  etcd: "etcd",
  scheduler: "scheduler",
  "controller-manager": "controller manager",
  nodes: "nodes",
  workloads: "workloads",
  blockers: "blockers",
  certificates: "certificates",
};
const WIDTH = 20;
/** Of more lines than fit on a screen, so many are shown. */
const MOST_LINES = 12;
const SHOWN_LINES = 3;

export function diagnosisText(result: DiagnoseResult): Text {
  const from = result.node === null ? "" : `, seen from node ${result.node}`;
  const head = `${result.server ?? "a control plane without a kubeconfig"}${from}, at ${result.time.replace(/\.\d+Z$/, "Z")}\n\n`;
  return [head, result.troubles.map(troubleText), result.areas.map(areaText), `\n${verdict(result)}\n`];
}

function troubleText(trouble: Trouble): Text {
  const { level, area, text, code, evidence, consequence, commands, advice } = trouble;
  const lines = [` ${TITLES[area]}: ${shown(text)} [${code}]`];
  lines.push(...labelled("evidence", someLines(evidence)), ...labelled("so", [consequence]));
  const steps = commands.length > 0 ? someLines(commands) : advice === undefined ? [] : [advice];
  lines.push(...labelled("mend", steps));
  if (commands.length > 0 && advice !== undefined) lines.push(...labelled("", [`(${advice})`]));
  return [styled(STYLES[level], LABELS[level].padEnd(8)), `${lines.join("\n")}\n\n`];
}

function someLines(texts: readonly string[]): readonly string[] {
  const more = texts.length - SHOWN_LINES;
  return texts.length <= MOST_LINES ? texts : [...texts.slice(0, SHOWN_LINES), `and ${more} more: -o json has all`];
}

function labelled(label: string, texts: readonly string[]): string[] {
  return texts.map((text, i) => `  ${(i === 0 ? label : "").padEnd(9)} ${shown(text)}`);
}

/** What a cluster says may hold anything, and must not steer the terminal; our own texts may have lines. */
function shown(text: string): string {
  return text
    .split("\n")
    .map((line) => oneLine(line))
    .join("\n            ");
}

function areaText({ area, state, text }: AreaSummary): Text {
  return [styled(STYLES[state], state.padEnd(8)), ` ${TITLES[area].padEnd(WIDTH)} ${shown(text)}\n`];
}

function verdict({ verdict: found, troubles, areas }: DiagnoseResult): string {
  const count = (level: Trouble["level"]) => troubles.filter((trouble) => trouble.level === level).length;
  const [errors, warnings] = [count("error"), count("warning")];
  const unknown = areas.filter(({ state }) => state === "unknown").length;
  const nothing =
    found === "unknown"
      ? "nothing of the cluster could be judged"
      : unknown === 0
        ? "nothing is broken"
        : "nothing broken was found";
  const parts = [
    errors === 0 ? nothing : errors === 1 ? "one thing is broken" : `${errors} things are broken`,
    ...(warnings === 0 ? [] : [`${warnings} warning${warnings === 1 ? "" : "s"}`]),
    ...(unknown === 0 ? [] : [`${unknown} area${unknown === 1 ? " is" : "s are"} not known`]),
  ];
  return parts.join(", ");
}
