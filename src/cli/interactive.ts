/**
 * `kubemend` alone, on a terminal: looks at this machine and its cluster, shows what is broken, and proposes what to do
 * next. A command runs only after a yes, and only where it is one of kubemend's own that stands there in full.
 */
import { userInfo } from "node:os";
import packageJson from "../../package.json" with { type: "json" };
import { MendError } from "../errors/errors.ts";
import type { Evidence } from "../operations/audit/audit-log.ts";
import type { DiagnoseResult } from "../operations/diagnose/diagnose.ts";
import { EXIT, type ExitCode } from "./command.ts";
import { errorText } from "./error-text.ts";
import type { Host } from "./host.ts";
import { clusterFlags } from "./options/cluster-flags.ts";
import { withFlags } from "./options/input-flags.ts";
import { diagnosisText } from "./reports/diagnosis-text.ts";
import { confirm } from "./terminal/confirm.ts";
import { lineOf } from "./terminal/escape.ts";

const PROBE_MS = 3000;
const REQUEST_MS = 10_000;
/** More than fit beside each other on a screen help nobody. */
const MOST_COMMANDS = 9;

interface Proposal {
  readonly text: string;
  /** Returns the exit code, or undefined to look again. */
  readonly choose: () => Promise<ExitCode | undefined>;
}

/** Runs a command line of kubemend; `because` are the findings that it was proposed for. */
type RunLine = (argv: readonly string[], because?: readonly Evidence[]) => Promise<ExitCode>;

/** Ends when the user quits. */
export async function interact(host: Host, runLine: RunLine): Promise<ExitCode> {
  await host.stdout.write(
    `kubemend ${packageJson.version}: looks at this machine and its cluster. "kubemend --help" lists all commands.\n\n`,
  );
  for (;;) {
    const found = await look(host);
    const proposals = [...commandProposals(found, host, runLine), ...generalProposals(host, runLine)];
    await host.stdout.write(`\n${proposals.map(({ text }, i) => lineOf`  ${i + 1}  ${text}`).join("")}\n`);
    const chosen = await choose(host, proposals);
    if (chosen === undefined) return EXIT.done;
    const code = await chosen.choose();
    if (code === EXIT.interrupted) return code;
    await host.stdout.write("\n");
  }
}

/** Undefined where there is nothing to look at, which is printed. */
async function look(host: Host): Promise<DiagnoseResult | undefined> {
  const { diagnoseCluster } = await import("../operations/diagnose/diagnose.ts");
  try {
    const result = await diagnoseCluster({
      cluster: clusterFlags(host, { kubeconfig: undefined, context: undefined, requestTimeout: REQUEST_MS }),
      etcd: undefined,
      deadlineMs: PROBE_MS,
      signal: host.signal,
      now: host.now,
    });
    await host.stdout.write(diagnosisText(result));
    return result;
  } catch (error) {
    if (!(error instanceof MendError) || error.code === "internal") throw error;
    await host.stdout.write(errorText(error));
    return undefined;
  }
}

function commandProposals(found: DiagnoseResult | undefined, host: Host, runLine: RunLine): readonly Proposal[] {
  const proposed = (found?.troubles ?? []).flatMap(({ code, commands }) =>
    commands.map((each) => ({ code, command: withFlags(each) })),
  );
  const commands = [...new Set(proposed.map(({ command }) => command))];
  return commands.slice(0, MOST_COMMANDS).map((command) => ({
    text: command,
    async choose() {
      const argv = ownCommand(command);
      if (argv === undefined) {
        await host.stdout.write(lineOf`run it in another terminal, and come back: ${command}`);
        return undefined;
      }
      if (!(await confirm(host, false, `Run ${command} now?`))) return undefined;
      const because = proposed.filter((each) => each.command === command).map(({ code }) => ({ finding: code }));
      return runLine(argv, because);
    },
  }));
}

function generalProposals(host: Host, runLine: RunLine): readonly Proposal[] {
  return [
    { text: "look again", choose: () => Promise.resolve(undefined) },
    {
      text: "look into a backup file",
      async choose() {
        const path = (await host.ask?.("the file: "))?.trim() ?? "";
        return path === "" ? undefined : runLine(["snapshot", "status", path]);
      },
    },
    { text: "see whether everything is ready for the night (kubemend ready)", choose: () => runLine(["ready"]) },
    { text: "list all commands", choose: () => runLine(["--help"]) },
  ];
}

/** Undefined where the user quits. */
async function choose(host: Host, proposals: readonly Proposal[]): Promise<Proposal | undefined> {
  for (;;) {
    const answer = (await host.ask?.(`1 to ${proposals.length}, or q to quit: `))?.trim() ?? "";
    if (answer === "" || /^q(uit)?$/i.test(answer)) return undefined;
    const chosen = /^\d+$/.test(answer) ? proposals[Number(answer) - 1] : undefined;
    if (chosen !== undefined) return chosen;
    await host.stdout.write(lineOf`there is no ${answer}`);
  }
}

/**
 * The arguments of a command line that is kubemend's own and complete. Undefined for others, for what needs a shell, for
 * what needs another user than this one, and for one with a place to fill in, such as `BACKUP.db`.
 */
export function ownCommand(command: string, isRoot = userInfo().uid === 0): readonly string[] | undefined {
  if (/[|;&<>$`\\*?(){}\n]/.test(command)) return undefined;
  const words = (command.match(/'[^']*'|"[^"]*"|[^\s'"]+/g) ?? []).map((word) => word.replace(/^(['"])(.*)\1$/s, "$2"));
  const own = words[0] === "sudo" ? (isRoot ? words.slice(1) : []) : words;
  if (own[0] !== "kubemend" || own.some((word) => /(^|[=/])[A-Z][A-Z_-]{2,}(\.\w+)?$/.test(word))) return undefined;
  return own.slice(1);
}
