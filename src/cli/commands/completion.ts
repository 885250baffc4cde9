import type { Argument, Command, Option } from "commander";
import { COMPLETE } from "../command.ts";
import type { Host } from "../host.ts";
import { completerOf, type TypedSoFar } from "../options/completer.ts";
import { argument, choice, defineCommand, isForPrograms } from "../options/define-command.ts";
import { AUDIT_LOG_OPTION, takeGlobalFlags } from "../options/global-flags.ts";
import { oneLine } from "../terminal/escape.ts";

export const SHELLS = ["bash", "zsh", "fish"] as const;
type Shell = (typeof SHELLS)[number];

/**
 * Files are the shell's own affair: a script falls back to them where there are no candidates. Zsh runs its script as the
 * function itself where it loads it from its folders, at the first completion.
 */
const SCRIPTS: Readonly<Record<Shell, string>> = {
  bash: `_kubemend() {
  local IFS=$'\\n' words=("\${COMP_WORDS[@]:1:COMP_CWORD}")
  mapfile -t COMPREPLY < <(compgen -W "$(kubemend ${COMPLETE} -- "\${words[@]}" 2>/dev/null | cut -f1)" -- "\${COMP_WORDS[COMP_CWORD]}")
}
complete -o default -F _kubemend kubemend
`,
  zsh: `#compdef kubemend
_kubemend() {
  local -a found lines
  lines=("\${(@f)$(kubemend ${COMPLETE} -- "\${(@)words[2,CURRENT]}" 2>/dev/null)}")
  local line
  for line in $lines; do found+=("\${\${line%%$'\\t'*}//:/\\\\:}:\${line#*$'\\t'}"); done
  if (( \${#found} )); then _describe kubemend found; else _files; fi
}
if [[ "\${funcstack[1]}" = _kubemend ]]; then _kubemend; else compdef _kubemend kubemend; fi
`,
  fish: `function __kubemend_complete
  set -l found (kubemend ${COMPLETE} -- (commandline -opc)[2..] (commandline -ct) 2>/dev/null)
  if set -q found[1]
    printf '%s\\n' $found
  else
    __fish_complete_path (commandline -ct)
  end
end
complete -c kubemend -f -a '(__kubemend_complete)'
`,
};

export function shellScript(shell: Shell): string {
  return SCRIPTS[shell];
}

export const completionCommand = defineCommand({
  name: "completion",
  text: "a script that completes commands and flags in your shell",
  args: { shell: choice("<shell>", SHELLS, "your shell") },
  flags: {},
  examples: [
    "source <(kubemend completion bash)",
    `kubemend completion zsh > "\${fpath[1]}/_kubemend"`,
    "kubemend completion fish > ~/.config/fish/completions/kubemend.fish",
  ],
  page: "docs/install.md",
  run: ({ shell }, _, { host }) => host.stdout.write(shellScript(shell)),
});

/** The hidden command that the scripts call at each completion, so that a script never becomes outdated. */
export const completeCommand = defineCommand({
  name: COMPLETE,
  text: "what completes a command line",
  args: { typed: argument("[words...]", "the words so far, the last of which is completed") },
  flags: {},
  examples: [`kubemend ${COMPLETE} -- snapshot st`],
  page: "docs/install.md",
  async run({ typed }, _, { host, commandTree }) {
    const found = await candidates(await commandTree(), typed, host);
    await host.stdout.write(found.map(({ value, text }) => `${oneLine(value)}\t${oneLine(text)}\n`).join(""));
  },
});

interface Candidate {
  readonly value: string;
  /** What it is, or nothing. */
  readonly text: string;
}

/** Nobody waits longer for a completion. */
const PATIENCE_MS = 3000;

/** What may stand in place of the last word: subcommands, flags, arguments, or the values that the flag before it takes. Sorted. */
async function candidates(program: Command, words: readonly string[], host: Host): Promise<readonly Candidate[]> {
  const { command, typed, option } = readLine(program, words);
  const { last } = typed;
  if (option !== undefined) return starting(await valuesOf(option, typed, host), last);
  if (last.startsWith("-")) {
    const everywhere = command === program ? [] : [AUDIT_LOG_OPTION];
    const flags = [...command.options, ...everywhere].flatMap(({ hidden, long, description }) =>
      hidden || long == null ? [] : [{ value: long, text: description }],
    );
    return starting([...flags, { value: "--help", text: "display help for command" }], last);
  }
  const names = command.commands
    .filter((each) => !isForPrograms(each))
    .map((each) => ({ value: each.name(), text: each.description() }));
  const declared = command.registeredArguments;
  const argument = declared[typed.args.length] ?? (declared.at(-1)?.variadic ? declared.at(-1) : undefined);
  const values = argument === undefined ? [] : await valuesOf(argument, typed, host);
  return starting([...names, ...values], last);
}

/** The command that is typed, its arguments and flags so far, and the flag whose value the last word is. */
function readLine(program: Command, words: readonly string[]) {
  let command = program;
  const args: string[] = [];
  const flags = new Map<string, string>();
  let open: Option | undefined;
  for (const word of takeGlobalFlags(words.slice(0, -1)).rest) {
    if (open !== undefined) {
      flags.set(open.long ?? "", word);
      open = undefined;
    } else if (word.startsWith("-")) {
      const [name = "", ...value] = word.split("=");
      const option = command.options.find(({ long, short }) => long === name || short === name);
      if (option === undefined) continue;
      flags.set(option.long ?? "", value.join("="));
      if (option.required && !word.includes("=")) open = option;
    } else {
      const next = command.commands.find((each) => each.name() === word || each.aliases().includes(word));
      if (next === undefined) args.push(word);
      else command = next;
    }
  }
  const typed: TypedSoFar = { args, last: words.at(-1) ?? "", flag: (long) => flags.get(long) };
  return { command, typed, option: open };
}

async function valuesOf(of: Argument | Option, typed: TypedSoFar, host: Host): Promise<readonly Candidate[]> {
  const fixed = of.argChoices ?? [];
  const signal = AbortSignal.any([host.signal, AbortSignal.timeout(PATIENCE_MS)]);
  const live = await completerOf(of)?.(typed, { ...host, signal }).catch(() => []);
  return [...fixed, ...(live ?? [])].map((value) => ({ value, text: "" }));
}

function starting(all: readonly Candidate[], beginning: string): readonly Candidate[] {
  return all.filter(({ value }) => value.startsWith(beginning)).sort((a, b) => (a.value < b.value ? -1 : 1));
}
