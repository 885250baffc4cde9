import type { CodeText } from "../../errors/code-text.ts";
import { defined } from "../../errors/defined.ts";
import { ERROR_CODES } from "../../errors/error-codes.ts";
import { MendError } from "../../errors/errors.ts";
import { FINDING_CODES, findingText } from "../../errors/finding-codes.ts";
import { argument, defineCommand } from "../options/define-command.ts";
import { outputFlag } from "../options/output-flags.ts";
import { likelyMeant } from "../suggestion.ts";
import { lineOf } from "../terminal/escape.ts";
import { tableText } from "../terminal/table.ts";

export const explainCommand = defineCommand({
  name: "explain",
  text: "what the code of an error or of a finding means, and what to do",
  args: { code: argument("[code]", "such as snapshot-hash-mismatch; all codes unless given") },
  flags: { output: outputFlag(["text", "json"]) },
  examples: [
    "kubemend explain snapshot-hash-mismatch",
    "kubemend explain kube-apiserver-crash-loop",
    "kubemend explain",
  ],
  page: "docs/codes.md",
  async run({ code }, { output }, { host }) {
    if (code === undefined) {
      const all = { errors: ERROR_CODES, findings: FINDING_CODES };
      await host.stdout.write(output === "json" ? `${JSON.stringify(all)}\n` : listText(all, host.stdout.columns));
      return;
    }
    const found = explanationsOf(code);
    if (found.length === 0) throw unknownCode(code);
    if (output === "json") await host.stdout.write(`${JSON.stringify({ code, explanations: found })}\n`);
    else
      for (const { kind, means, todo } of found) await host.stdout.write(explanationText(code, kind, { means, todo }));
  },
});

/** An error and a finding may share a code, where they are about the same fact. */
function explanationsOf(code: string): ({ readonly kind: "error" | "finding" } & CodeText)[] {
  const error = Object.hasOwn(ERROR_CODES, code) ? ERROR_CODES[code as keyof typeof ERROR_CODES] : undefined;
  const finding = findingText(code);
  return [
    ...(error === undefined ? [] : [{ kind: "error" as const, ...error }]),
    ...(finding === undefined ? [] : [{ kind: "finding" as const, ...finding }]),
  ];
}

function explanationText(code: string, kind: string, { means, todo }: CodeText): string {
  return lineOf`${code} (${kind}): ${means}` + lineOf`what to do: ${todo}`;
}

function listText(
  all: Readonly<Record<string, Readonly<Record<string, CodeText>>>>,
  width: number | undefined,
): string {
  return Object.entries(all)
    .map(([title, codes]) => {
      const rows = Object.entries(codes).map(([code, { means }]) => [code, means]);
      return `${title}\n${tableText(
        rows.sort(([a], [b]) => (defined(a) < defined(b) ? -1 : 1)),
        { width },
      )}`;
    })
    .join("\n");
}

function unknownCode(code: string): MendError {
  const meant = likelyMeant(code, [...new Set([...Object.keys(ERROR_CODES), ...Object.keys(FINDING_CODES)])]);
  return new MendError("usage", `there is no code "${code}"`, {
    hint: `${meant === undefined ? "" : `did you mean "${meant}"? or `}see all codes with kubemend explain`,
  });
}
