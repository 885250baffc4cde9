/** The flag that every command takes, wherever it stands: where changes are recorded. */
import { Option } from "commander";

const AUDIT_LOG = "--audit-log";

/** For the help, and for the parser, which names it where its value is missing. */
export const AUDIT_LOG_OPTION = new Option(
  `${AUDIT_LOG} <place>`,
  "with any command: where changes are recorded: a file, journald, stderr or off (also KUBEMEND_AUDIT_LOG)",
);

export interface GlobalFlags {
  /** Undefined where it is not given; the last of several counts. */
  readonly auditLog: string | undefined;
  /** The command line without it. */
  readonly rest: readonly string[];
}

/** What stands behind `--` is left alone, and so is a flag without its value. */
export function takeGlobalFlags(argv: readonly string[]): GlobalFlags {
  let auditLog: string | undefined;
  const rest: string[] = [];
  for (let i = 0; i < argv.length; i++) {
    const word = argv[i] ?? "";
    if (word === "--") return { auditLog, rest: [...rest, ...argv.slice(i)] };
    const next = argv[i + 1];
    if (word.startsWith(`${AUDIT_LOG}=`) && word.length > AUDIT_LOG.length + 1) {
      auditLog = word.slice(AUDIT_LOG.length + 1);
    } else if (word === AUDIT_LOG && next !== undefined && next !== "" && next !== "--") {
      auditLog = next;
      i++;
    } else rest.push(word);
  }
  return { auditLog, rest };
}
