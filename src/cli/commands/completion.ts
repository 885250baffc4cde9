import type { Command } from "commander";
import { COMPLETE } from "../command.ts";
import { argument, choice, defineCommand } from "../options/define-command.ts";

export const SHELLS = ["bash", "zsh", "fish"] as const;
type Shell = (typeof SHELLS)[number];

/** Files are the shell's own affair: a script falls back to them where there are no candidates. */
const SCRIPTS: Readonly<Record<Shell, string>> = {
  bash: `_kubemend() {
  local words=("\${COMP_WORDS[@]:1:COMP_CWORD}")
  mapfile -t COMPREPLY < <(compgen -W "$(kubemend ${COMPLETE} -- "\${words[@]}" 2>/dev/null)" -- "\${COMP_WORDS[COMP_CWORD]}")
}
complete -o default -F _kubemend kubemend
`,
  zsh: `#compdef kubemend
_kubemend() {
  local -a found
  found=(\${(f)"$(kubemend ${COMPLETE} -- "\${(@)words[2,CURRENT]}" 2>/dev/null)"})
  if (( \${#found} )); then compadd -- $found; else _files; fi
}
compdef _kubemend kubemend
`,
  fish: `complete -c kubemend -a '(kubemend ${COMPLETE} -- (commandline -opc)[2..] (commandline -ct) 2>/dev/null)'
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
    const found = candidates(await commandTree(), typed);
    await host.stdout.write(found.map((word) => `${word}\n`).join(""));
  },
});

/** What may stand in place of the last word: subcommands, flags, or the values that the flag before it takes. Sorted. */
function candidates(program: Command, words: readonly string[]): readonly string[] {
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
  const names = command.commands.map((each) => each.name()).filter((name) => name !== COMPLETE);
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
