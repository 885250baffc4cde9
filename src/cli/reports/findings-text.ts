/** Findings for people: one a line, the level first, then where, then what. */
import type { Finding } from "../../errors/errors.ts";
import { oneLine } from "../terminal/escape.ts";

export function findingText({ level, code, where, text }: Finding): string {
  return `${level}: ${where === "" ? "" : `${oneLine(where)}: `}${oneLine(text)} [${code}]\n`;
}

/** `isQuiet` leaves out what is only for information. */
export function findingsText(findings: readonly Finding[], isQuiet = false): string {
  return findings
    .filter(({ level }) => !isQuiet || level !== "info")
    .map(findingText)
    .join("");
}

/** Whether data is lost or cannot be trusted: exit code 1. */
export function hasErrors(findings: readonly Finding[]): boolean {
  return findings.some(({ level }) => level === "error");
}

/** Such as `2 errors, 1 warning`, or `no findings`. */
export function findingsSummary(findings: readonly Finding[]): string {
  const parts = (["error", "warning", "info"] as const).flatMap((level) => {
    const count = findings.filter((finding) => finding.level === level).length;
    return count === 0 ? [] : [`${count} ${level}${count === 1 || level === "info" ? "" : "s"}`];
  });
  return parts.length === 0 ? "no findings" : parts.join(", ");
}
