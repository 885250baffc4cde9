/**
 * What a command may know of the process it runs in. Only `main.ts` makes a {@link ProcessHost} from the real process;
 * tests make their own, which is how transcripts run without a child process. Commands get a {@link Host}, whose
 * streams escape what they write.
 */

import { escapeText } from "../errors/unsafe-text.ts";
import { withFlags } from "./options/input-flags.ts";
import { createPrinter, type Printer, type TextSink } from "./terminal/printer.ts";

interface Surroundings {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Where changes are recorded unless KUBEMEND_AUDIT_LOG says otherwise; nowhere if undefined. */
  readonly auditLog?: string;
  /** The directory that relative paths start from. */
  readonly cwd: string;
  /** Milliseconds since the epoch. */
  now(): number;
  /** When the process began, in milliseconds since the epoch. Undefined in tests, which run many commands in one. */
  readonly startedAt?: number;
  /** Aborted by the first SIGINT or SIGTERM. Long operations check it between chunks. */
  readonly signal: AbortSignal;
  /** Puts a question to the person at the terminal and returns the answer without its line feed. Undefined where nobody sits there. */
  readonly ask?: (question: string) => Promise<string>;
  /** The same for a secret: what is typed is not shown. */
  readonly askSecret?: (question: string) => Promise<string>;
  /** What comes on stdin. Undefined in tests. */
  readonly stdin?: AsyncIterable<Uint8Array> | undefined;
}

/** With streams that take text as it is. */
export interface ProcessHost extends Surroundings {
  readonly stdout: TextSink;
  readonly stderr: TextSink;
}

/** With streams that escape. */
export interface Host extends Surroundings {
  readonly stdout: Printer;
  readonly stderr: Printer;
}

/** `typed` is the command line, whose flags texts are written in. */
export function hostOf(outer: ProcessHost, typed: () => readonly string[] = () => []): Host {
  const inFlags = (text: string) => withFlags(text, typed()[0]);
  const { env, cwd, signal, ask, askSecret } = outer;
  return {
    env,
    cwd,
    signal,
    now: () => outer.now(),
    get stdin() {
      return outer.stdin;
    },
    ...(outer.startedAt === undefined ? {} : { startedAt: outer.startedAt }),
    stdout: createPrinter(outer.stdout, env, inFlags),
    stderr: createPrinter(outer.stderr, env, inFlags),
    ...(askSecret !== undefined && { askSecret: (question: string) => askSecret(escapeText(inFlags(question))) }),
    ...(ask !== undefined && { ask: (question: string) => ask(escapeText(inFlags(question))) }),
  };
}
