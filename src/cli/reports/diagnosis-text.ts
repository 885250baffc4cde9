/** One screen of a diagnosis: what is broken first, each with its evidence, its consequence and what mends it; then a line for each area. */
import type { AreaSummary } from "../../diagnosis/diagnose.ts";
import type { Trouble } from "../../diagnosis/trouble.ts";
import type { DiagnoseResult } from "../../operations/diagnose/diagnose.ts";
import { cellText } from "../terminal/aligned-text.ts";

const LABELS = { error: "BROKEN", warning: "WARNING", info: "NOTE" } as const;
const COLOURS = { error: 31, warning: 33, info: 36, ok: 32, broken: 31, unknown: 33 } as const;
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

export interface TextOptions {
  readonly colour: boolean;
}

export function diagnosisText(result: DiagnoseResult, { colour }: TextOptions): string {
  const paint = (text: string, kind: keyof typeof COLOURS) =>
    colour ? `\u001b[1;${COLOURS[kind]}m${text}\u001b[0m` : text;
  const from = result.node === null ? "" : `, seen from node ${result.node}`;
  const head = `${result.server ?? "a control plane without a kubeconfig"}${from}, at ${result.time.replace(/\.\d+Z$/, "Z")}\n\n`;
  const troubles = result.troubles.map((trouble) => troubleText(trouble, paint)).join("");
  const areas = result.areas.map((area) => areaText(area, paint)).join("");
  return `${head}${troubles}${areas}\n${verdict(result)}\n`;
}

type Paint = (text: string, kind: keyof typeof COLOURS) => string;

function troubleText(trouble: Trouble, paint: Paint): string {
  const { level, area, text, code, evidence, consequence, commands, advice } = trouble;
  const lines = [`${paint(LABELS[level].padEnd(8), level)} ${TITLES[area]}: ${shown(text)} [${code}]`];
  lines.push(...labelled("evidence", evidence), ...labelled("so", [consequence]));
  const steps = commands.length > 0 ? commands : advice === undefined ? [] : [advice];
  lines.push(...labelled("mend", steps));
  if (commands.length > 0 && advice !== undefined) lines.push(...labelled("", [`(${advice})`]));
  return `${lines.join("\n")}\n\n`;
}

function labelled(label: string, texts: readonly string[]): string[] {
  return texts.map((text, i) => `  ${(i === 0 ? label : "").padEnd(9)} ${shown(text)}`);
}

/** What a cluster says may hold anything, and must not steer the terminal; our own texts may have lines. */
function shown(text: string): string {
  return text
    .split("\n")
    .map((line) => cellText(line))
    .join("\n            ");
}

function areaText({ area, state, text }: AreaSummary, paint: Paint): string {
  const kind = state === "warning" ? "warning" : state;
  return `${paint(state.padEnd(8), kind)} ${TITLES[area].padEnd(WIDTH)} ${shown(text)}\n`;
}

function verdict({ troubles, areas }: DiagnoseResult): string {
  const count = (level: Trouble["level"]) => troubles.filter((trouble) => trouble.level === level).length;
  const [errors, warnings] = [count("error"), count("warning")];
  const unknown = areas.filter(({ state }) => state === "unknown").length;
  const parts = [
    errors === 0 ? "nothing is broken" : errors === 1 ? "one thing is broken" : `${errors} things are broken`,
    ...(warnings === 0 ? [] : [`${warnings} warning${warnings === 1 ? "" : "s"}`]),
    ...(unknown === 0 ? [] : [`${unknown} area${unknown === 1 ? " is" : "s are"} not known`]),
  ];
  return parts.join(", ");
}
