/** What an audit log says of a command, beside what docs/audit-lines.md says of it. */
import { existsSync, readFileSync } from "node:fs";
import { expect } from "vitest";
import { AUDIT_LINES } from "../src/cli/permissions/audit-lines.ts";

export interface ChangeLine {
  readonly command: string;
  readonly event: string;
  readonly action: string;
  readonly target: string;
  readonly actor: Readonly<Record<string, unknown>>;
  readonly evidence?: readonly Readonly<Record<string, unknown>>[];
}

/** The lines of changes; none where there is no log. */
export function changeLines(path: string): readonly ChangeLine[] {
  if (!existsSync(path)) return [];
  const lines = readFileSync(path, "utf8").trimEnd().split("\n");
  return lines.map((line) => JSON.parse(line) as ChangeLine).filter(({ event }) => event === "change");
}

/** The command changed something, recorded it, and has no action that its entry does not name. */
export function expectAudited(command: string, lines: readonly Pick<ChangeLine, "action">[]): void {
  const { actions } = AUDIT_LINES[command] ?? expect.fail(`src/cli/permissions/audit-lines.ts has no "${command}"`);
  const found = [...new Set(lines.map(({ action }) => action))];
  expect(found, `${command} has left no line`).not.toEqual([]);
  expect(actions, `${command}: its entry in src/cli/permissions/audit-lines.ts`).toEqual(expect.arrayContaining(found));
}
