/** Programs that stand where `ssh` does, and the nodes behind it: each misbehaves in one way, and notes that it was run. */
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Dialed } from "./matrix.ts";

const deep = (open: string, close: string): string => `${open.repeat(50_000)}1${close.repeat(50_000)}`;

/** Lines of a shell. `say FILE` prints a file that is made beside it. */
const SCRIPTS: Readonly<Record<string, string>> = {
  silent: "exec sleep 60",
  "a child keeps the pipes open": "sleep 60 & wait",
  "does not heed signals": "trap '' TERM INT HUP; while :; do sleep 0.2; done",
  "closes its output and stays": "exec >&- 2>&-; exec sleep 60",
  "ends at once": "exit 0",
  "cannot connect": "printf '\\033]0;PWNED\\007 no route to host\\342\\200\\256\\n' >&2; exit 255",
  "fails without a word": "exit 3",
  "talks without end on its stderr": "exec yes error >&2",
  "lines without end": "exec yes hello",
  "a line without end": "exec tr '\\000' x </dev/zero",
  garbage: "i=0; while [ $i -lt 3000 ]; do printf '\\000\\377\\n\\033[31m{\\007'; i=$((i+1)); done; exit 0",
  "a banner only": "echo Welcome; exit 0",
  "null as its answer": `echo '{"result":null}'`,
  "an empty answer": `echo '{"result":{}}'`,
  "a list as its answer": `echo '{"result":[]}'`,
  "a text as its answer": `echo '{"result":"there"}'`,
  "an error without a code": `echo '{"error":{}}'; exit 1`,
  "an error of its own": `echo '{"error":{"code":"nonsense","message":"\\u001b[31mred\\u202e","where":"\\u0007"}}'; exit 1`,
  "a deep answer": "cat deep",
  "progress without end": `exec yes '{"progress":"\\u001b[31mstep"}'`,
};

export const HOSTILE_SSH: readonly string[] = Object.keys(SCRIPTS);
/** Only an interruption ends these where the step may take hours. */
export const STAYING: ReadonlySet<string> = new Set([
  "silent",
  "a child keeps the pipes open",
  "does not heed signals",
  "closes its output and stays",
  "talks without end on its stderr",
  "lines without end",
  "a line without end",
  "progress without end",
]);

/** `url` is the command that stands for ssh. */
export function hostileSsh(directory: string, mode: string): Dialed {
  const [script, ran] = [join(directory, "ssh.sh"), join(directory, "ran")];
  writeFileSync(join(directory, "deep"), `{"result":${deep('{"a":', "}")}}\n`);
  writeFileSync(script, `cd '${directory}'\n: >ran\n${SCRIPTS[mode]}\n`);
  return {
    url: `sh ${script}`,
    get connections() {
      return existsSync(ran) ? 1 : 0;
    },
  };
}
