/**
 * A transcript: what a user types and everything that comes back, in a file that reads like a terminal session. The file starts with
 * comments and settings, then holds one or more commands, run in order in one process:
 *
 *     # what this shows
 *     #! now 2026-11-21T04:30:00Z
 *     #! env NAME=VALUE
 *     #! tty 100
 *     #! serve k120-broad/snapshot.db.gz
 *     #! node m1 pki/apiserver.key
 *     $ kubemend snapshot keys k120-broad/snapshot.db.gz --no-such-flag
 *     --- stdout
 *     --- stderr
 *     error: unknown option '--no-such-flag'
 *     --- exit 2
 *
 * `--- stdout` and `--- stderr` are left out when nothing was written there. A text that does not end in a line feed is
 * followed by the line `--- no line feed`. Paths start from `test/fixtures`, which in full reads `$FIXTURES`; `$TMP` is
 * an empty directory of the transcript's own, in the command and in what comes back; a line that is the package's
 * version reads `$VERSION`. `serve` puts an API server (`kubemend serve`) on a snapshot, which KUBECONFIG reaches, and
 * whose address reads `$SERVER`. `node` writes the files of a control-plane node (`kubeadm-nodes.ts`) to `$TMP/m1`, but
 * for those that follow its name, from `etc/kubernetes` on. What is drawn by lot reads the same each time: the last part
 * of an operation's name is `3f9c2a`. No terminal is attached unless `tty` gives its width.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import packageJson from "../package.json" with { type: "json" };
import type { ProcessHost } from "../src/cli/host.ts";
import { run } from "../src/cli/run.ts";
import type { TextSink } from "../src/cli/terminal/printer.ts";
import { writeNode } from "./kubeadm-nodes.ts";

export const FIXTURES = join(import.meta.dirname, "fixtures");
const VERSION_LINE = new RegExp(`^${packageJson.version.replaceAll(".", "\\.")}$`, "gm");
const NO_LINE_FEED = "--- no line feed";

export interface Transcript {
  /** Comments, settings and empty lines before the first command, as they stand. */
  readonly preamble: readonly string[];
  readonly now: number;
  readonly env: Readonly<Record<string, string>>;
  readonly ttyColumns: number | undefined;
  /** The snapshot that an API server serves meanwhile, from the directory of fixtures. */
  readonly serves: string | undefined;
  /** A control-plane node whose files are there, and those that are lost. */
  readonly node: { readonly name: "m1" | "m2"; readonly lost: readonly string[] } | undefined;
  readonly commands: readonly { readonly comments: readonly string[]; readonly line: string }[];
}

/** Reads the commands and settings; what a transcript says came back is only compared, as text. */
export function parseTranscript(text: string): Transcript {
  const preamble: string[] = [];
  const env: Record<string, string> = {};
  let now = Date.parse("2026-11-21T12:00:00Z");
  let ttyColumns: number | undefined;
  const commands: { comments: string[]; line: string }[] = [];
  let serves: string | undefined;
  let node: Transcript["node"];
  let inResult = false;
  let comments: string[] = [];
  for (const line of text.split("\n")) {
    if (line.startsWith("--- ")) inResult = !line.startsWith("--- exit ");
    if (inResult || line === "" || line.startsWith("--- ")) continue;
    if (line.startsWith("$ ")) {
      commands.push({ comments, line: line.slice(2) });
      comments = [];
      continue;
    }
    if (commands.length > 0) {
      comments.push(line);
      continue;
    }
    preamble.push(line);
    const setting = /^#! (\w+) (.*)$/.exec(line);
    if (setting === null) continue;
    const [, name, value] = setting as unknown as [string, string, string];
    if (name === "now") now = Date.parse(value);
    else if (name === "tty") ttyColumns = Number(value);
    else if (name === "serve") serves = value;
    else if (name === "node") {
      const [of, ...lost] = value.split(" ");
      node = { name: of === "m2" ? "m2" : "m1", lost };
    } else if (name === "env") env[value.slice(0, value.indexOf("="))] = value.slice(value.indexOf("=") + 1);
    else throw new Error(`unknown transcript setting "${name}"`);
  }
  return { preamble, now, env, ttyColumns, serves, node, commands };
}

/** What a command writes, and its exit code. */
export interface CommandOutcome {
  readonly stdout: string;
  readonly stderr: string;
  readonly code: number;
}

/** Runs a command line from the directory of fixtures. */
export type RunCommand = (
  argv: readonly string[],
  env: Readonly<Record<string, string>>,
  transcript: Pick<Transcript, "now" | "ttyColumns">,
) => Promise<CommandOutcome>;

/** In this process. */
const runHere: RunCommand = async (argv, env, { now, ttyColumns }) => {
  const written = { stdout: "", stderr: "" };
  const sink = (name: "stdout" | "stderr"): TextSink => ({
    isTTY: ttyColumns !== undefined,
    columns: ttyColumns,
    write(output) {
      written[name] += output;
      return Promise.resolve();
    },
  });
  const { signal } = new AbortController();
  const streams = { stdout: sink("stdout"), stderr: sink("stderr") };
  const host: ProcessHost = { ...streams, env, cwd: FIXTURES, now: () => now, signal };
  return { code: await run(argv, host), ...written };
};

/** Runs a transcript's commands and returns the whole file as it should read. */
export async function runTranscript(text: string, runCommand = runHere): Promise<string> {
  const transcript = parseTranscript(text);
  const directory = mkdtempSync(join(tmpdir(), "kubemend-transcript-"));
  const serving = transcript.serves === undefined ? undefined : await serve(transcript.serves, directory, transcript);
  if (transcript.node !== undefined) {
    const { kubernetesDir } = writeNode(transcript.node.name, directory);
    for (const each of transcript.node.lost) rmSync(join(kubernetesDir, each));
  }
  const server = serving === undefined ? [] : [serving.server, new URL(serving.server).host];
  const replace = (output: string) =>
    server
      .reduce((text, each) => text.replaceAll(each, "$SERVER"), output)
      .replaceAll(directory, "$TMP")
      .replaceAll(FIXTURES, "$FIXTURES")
      .replace(/(-\d{8}-\d{6}-)[0-9a-f]{6}\b/g, "$13f9c2a")
      .replace(VERSION_LINE, "$$VERSION");
  try {
    const parts = [transcript.preamble.map((line) => `${line}\n`).join("")];
    for (const [index, { comments, line }] of transcript.commands.entries()) {
      const [program, ...argv] = splitWords(line).map((word) => word.replaceAll("$TMP", directory));
      if (program !== "kubemend") throw new Error(`a transcript runs kubemend only, found "${line}"`);
      const reach = serving === undefined ? {} : { KUBECONFIG: serving.kubeconfig };
      const env = { TMPDIR: directory, ...reach, ...transcript.env };
      const { code, ...written } = await runCommand(argv, env, transcript);
      const before = [...(index === 0 ? [] : [""]), ...comments].map((each) => `${each}\n`).join("");
      parts.push(
        `${before}$ ${line}\n`,
        section("stdout", replace(written.stdout)),
        section("stderr", replace(written.stderr)),
        `--- exit ${code}\n`,
      );
    }
    return parts.join("");
  } finally {
    await serving?.close();
    rmSync(directory, { recursive: true, force: true });
  }
}

async function serve(snapshot: string, directory: string, { now }: Transcript) {
  const { startServing } = await import("../src/operations/serve/serve.ts");
  return startServing(join(FIXTURES, snapshot), {
    host: "127.0.0.1",
    port: 0,
    showSecrets: true,
    kubeconfig: join(directory, "kubeconfig"),
    now: () => now,
    inUserTerms: String,
  });
}

function section(name: string, text: string): string {
  if (text === "") return "";
  return `--- ${name}\n${text}${text.endsWith("\n") ? "" : `\n${NO_LINE_FEED}\n`}`;
}

/** Words as a shell splits them, with 'single' and "double" quotes and nothing else. */
function splitWords(line: string): string[] {
  return [...line.matchAll(/(?:'[^']*'|"[^"]*"|[^\s'"])+/g)].map((match) =>
    match[0].replace(/'([^']*)'|"([^"]*)"/g, (_, single?: string, double?: string) => single ?? double ?? ""),
  );
}
