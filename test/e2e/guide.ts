/**
 * The recording of which docs/give-back-objects.md shows a restore and its undo: what a run printed is compared with
 * it, or written with `UPDATE_TRANSCRIPTS=1` (then `test/docs/consoles.test.ts` with the same writes it into the page).
 * What is of one run alone counts for nothing: the time in a file's name, how many events there were, who was the first
 * to make an account, the names that Kubernetes makes up.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "vitest";

const RECORDED = join(import.meta.dirname, "../recorded/give-back.txt");

/** `runs`: each command as the page has it, and what it printed. */
export function checkRecording(version: string, runs: readonly (readonly [command: string, printed: string])[]): void {
  const head = `# Written by test/e2e/objects-restore.test.ts with UPDATE_TRANSCRIPTS, with Kubernetes ${version}.\n`;
  const text = head + runs.map(([command, printed]) => `\n$ ${command}\n${printed}`).join("");
  if (process.env.UPDATE_TRANSCRIPTS) writeFileSync(RECORDED, text);
  else expect(ofAnyRun(text)).toBe(ofAnyRun(readFileSync(RECORDED, "utf8")));
}

function ofAnyRun(text: string): string {
  return text
    .replaceAll(/\d{8}T\d{6}Z/g, "TIME")
    .replaceAll(/\b\d+ (events|endpoints|endpointslices|secrets)\b/g, "N $1")
    .replaceAll(/\b\d+ not given back/g, "N not given back")
    .replaceAll(/\b\d+ created, \d+ changed/g, "N created, N changed")
    .replaceAll(/\b\d+ deleted, \d+ as they were/g, "N deleted, N as they were")
    .replaceAll(/^(?:delete|revert)(?= +\S+ +serviceaccounts\/default$)/gm, "undo")
    .replaceAll(/-token-[a-z0-9]{5}\b/g, "-token-NAME")
    .replaceAll(/ +$/gm, "")
    .replaceAll(/ {2,}/g, "  ");
}
