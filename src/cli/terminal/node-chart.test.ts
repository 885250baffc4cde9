import { expect, test } from "vitest";
import { hostOf } from "../host.ts";
import { NodeChart } from "./node-chart.ts";

const ESC = "\u001b";

function terminal(isTTY: boolean, columns: number, env: Record<string, string> = {}) {
  let out = "";
  const sink = {
    isTTY,
    columns,
    write: async (text: string) => {
      out += text;
    },
  };
  const signal = new AbortController().signal;
  const host = hostOf({ env, cwd: "/", now: () => 0, signal, stdout: sink, stderr: sink });
  return { chart: new NodeChart(host, 4), text: () => out };
}

/** What a terminal shows in the end: enough of one to follow lines that are redrawn. */
function screen(text: string): string[] {
  const lines: string[] = [""];
  let row = 0;
  const parts = text.match(new RegExp(`${ESC}\\[(\\d*)([AJKm;\\d]*)|[\\s\\S]`, "g")) ?? [];
  for (const part of parts) {
    const up = new RegExp(`^${ESC}\\[(\\d+)A$`).exec(part);
    if (up !== null) row -= Number(up[1]);
    else if (part === `${ESC}[K`) lines[row] = "";
    else if (part === `${ESC}[J`) lines.splice(row, lines.length, "");
    else if (part.startsWith(ESC) || part === "\r") continue;
    else if (part === "\n") {
      row++;
      lines[row] ??= "";
    } else lines[row] += part;
  }
  return lines;
}

test("nodes at the bottom, lines that stay above them, each within the width", () => {
  const { chart, text } = terminal(true, 30, { NO_COLOR: "1" });
  chart.begin(["cp1", "cp10"]);
  chart.set("cp1", { done: 1, mark: "working", text: "stopping the control plane" });
  chart.print("   2 s  cp1: waiting for etcd to end");
  chart.set("cp10", { done: 4, mark: "done", text: "done" });
  expect(screen(text())).toEqual([
    "   2 s  cp1: waiting for etcd to end",
    "  cp1   =---  > stopping the ",
    "  cp10  ====  + done",
    "",
  ]);
  chart.clear();
  expect(screen(text())).toEqual(["   2 s  cp1: waiting for etcd to end", ""]);
  expect(text()).not.toContain(`${ESC}[1;`);
});

test("colours on a terminal only, and names that cannot steer it", () => {
  const { chart, text } = terminal(true, 80);
  chart.set(`cp${ESC}[2J`, { mark: "failed", text: "no connection" });
  expect(text()).toContain(`${ESC}[1;31m!${ESC}[0m`);
  expect(text()).not.toContain(`${ESC}[2J`);
});

test("no terminal: only the lines", () => {
  const { chart, text } = terminal(false, 80);
  chart.begin(["cp1"]);
  chart.set("cp1", { done: 1, mark: "working", text: "stopping" });
  chart.print("cp1: stopping");
  chart.clear();
  expect(text()).toBe("cp1: stopping\n");
});
