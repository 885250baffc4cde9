import { Argument, type Command } from "commander";
import type { CommandContext } from "../command.ts";

const SHELLS = ["bash", "zsh", "fish"] as const;
type Shell = (typeof SHELLS)[number];

const EXAMPLES = `
Examples:
  source <(kubemend completion bash)
  kubemend completion zsh > "\${fpath[1]}/_kubemend"
  kubemend completion fish > ~/.config/fish/completions/kubemend.fish`;

/** The hidden command that the shells' scripts ask, word by word, so that a script never grows old. */
const ASK = "__complete";

/** Files are the shell's own affair: a script falls back to them where there are no candidates. */
const SCRIPTS: Readonly<Record<Shell, string>> = {
  bash: `_kubemend() {
  local words=("\${COMP_WORDS[@]:1:COMP_CWORD}")
  mapfile -t COMPREPLY < <(compgen -W "$(kubemend ${ASK} -- "\${words[@]}" 2>/dev/null)" -- "\${COMP_WORDS[COMP_CWORD]}")
}
complete -o default -F _kubemend kubemend
`,
  zsh: `#compdef kubemend
_kubemend() {
  local -a found
  found=(\${(f)"$(kubemend ${ASK} -- "\${(@)words[2,CURRENT]}" 2>/dev/null)"})
  if (( \${#found} )); then compadd -- $found; else _files; fi
}
compdef _kubemend kubemend
`,
  fish: `complete -c kubemend -a '(kubemend ${ASK} -- (commandline -opc)[2..] (commandline -ct) 2>/dev/null)'
`,
};

export function registerCompletion(program: Command, { host }: CommandContext): void {
  program
    .command("completion")
    .description("a script that completes commands and flags in your shell")
    .addArgument(new Argument("<shell>", "your shell").choices(SHELLS))
    .addHelpText("after", EXAMPLES)
    .action(async (shell: Shell) => host.stdout.write(SCRIPTS[shell]));
  program
    .command(ASK, { hidden: true })
    .argument("[words...]")
    .allowUnknownOption()
    .action(async (words: readonly string[]) => {
      await host.stdout.write(
        candidates(program, words)
          .map((word) => `${word}\n`)
          .join(""),
      );
    });
}

/** What may stand in place of the last word: subcommands, flags, or the values that the flag before it takes. Sorted. */
export function candidates(program: Command, words: readonly string[]): readonly string[] {
  const last = words.at(-1) ?? "";
  let command = program;
  for (const word of words.slice(0, -1)) {
    command = command.commands.find((each) => each.name() === word || each.aliases().includes(word)) ?? command;
  }
  const before = words.at(-2);
  const option = command.options.find(
    (each) => before !== undefined && (each.long === before || each.short === before),
  );
  if (option !== undefined && (option.required || option.optional)) return starting(option.argChoices ?? [], last);
  const names = command.commands.map((each) => each.name()).filter((name) => name !== ASK);
  const choices = command.registeredArguments.flatMap((argument) => argument.argChoices ?? []);
  if (!last.startsWith("-")) return starting([...names, ...choices], last);
  const flags = command.options
    .filter((each) => !each.hidden)
    .flatMap((each) => (each.long === undefined ? [] : [each.long]));
  return starting([...flags, "--help"], last);
}

function starting(words: readonly string[], beginning: string): readonly string[] {
  return words.filter((word) => word.startsWith(beginning)).sort();
}
