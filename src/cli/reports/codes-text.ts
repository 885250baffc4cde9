/** All codes as a page, docs/codes.md: `npm run generate` writes it. */
import type { CodeText } from "../../errors/code-text.ts";
import { ERROR_CODES } from "../../errors/error-codes.ts";
import { FINDING_CODES } from "../../errors/finding-codes.ts";
import { withFlags } from "../options/input-flags.ts";

export function codesPage(): string {
  return withFlags(`# Codes

Every error and every finding has a code, which scripts match: texts may change between versions, codes do not.
\`kubemend explain CODE\` prints what stands here. This page is generated from the code; do not edit it.

An error ends a command: \`error:\` on stderr, and with \`-o json\` a line \`{"error":{"code","message","where","hint"}}\`.
A finding is something noticed about data; a command may report many, in \`[brackets]\` or under \`findings\`.
\`diagnose\` puts the name of a component in front where it is about one, such as \`kube-apiserver-crash-loop\`, and \`etcd-\`
where it is about etcd's members.

Exit codes: 0 done, or healthy; 1 it failed, or something is broken; 2 wrong usage; 3 nothing could be judged; 130
interrupted.

## Errors

${table(ERROR_CODES)}
## Findings

${table(FINDING_CODES)}`);
}

function table(codes: Readonly<Record<string, CodeText>>): string {
  const rows = Object.entries(codes)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([code, { means, todo }]) => `- **\`${code}\`**: ${means}.\n  What to do: ${todo}.`);
  return `${rows.map(wrapped).join("\n")}\n`;
}

/** At 120 columns. */
function wrapped(text: string): string {
  return text
    .split("\n")
    .flatMap((line) => {
      const lines: string[] = [];
      let current = "";
      for (const word of line.trim().split(" ")) {
        if (current !== "" && current.length + 1 + word.length > 116) {
          lines.push(current);
          current = "";
        }
        current = current === "" ? word : `${current} ${word}`;
      }
      return [...lines, current];
    })
    .map((line, i) => (i === 0 ? line : `  ${line}`))
    .join("\n");
}
