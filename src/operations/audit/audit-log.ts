/**
 * The audit log of a run: opened with its first change, so that commands that only read leave nothing. It never holds a
 * change up: where it cannot be written, that is said once, in one line.
 */
import { randomBytes } from "node:crypto";
import { resolve } from "node:path";
import packageJson from "../../../package.json" with { type: "json" };
import { type AuditTrail, type Change, type Evidence, withAuditTrail } from "../../io/audit/audit-trail.ts";
import { openAuditFile } from "../../io/files/durable/audit-file.ts";
import { openJournal } from "../../io/network/journal-stream.ts";
import { whoRuns } from "../../io/node/own-identity.ts";
import { changeLine, endLine, type RunFacts } from "./audit-record.ts";

export type { Evidence } from "../../io/audit/audit-trail.ts";

export interface AuditOptions {
  /** `off`, `stderr`, `journald`, or the path of a file. */
  readonly place: string;
  readonly cwd: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** The words of the command line, as far as they are known when the first change is made. */
  readonly command: () => string;
  readonly now: () => number;
  /** To stderr, a line each. */
  readonly print: (line: string) => Promise<void>;
  /** What is known before the run begins: the finding that it was proposed for. */
  readonly evidence: readonly Evidence[];
}

interface Ending {
  readonly exitCode: number;
  /** The code of the error that ended it. */
  readonly error?: string;
}

/** `append` of a file has written the line when it returns; what is sent elsewhere is sent in its order. */
type Sink =
  | { readonly kind: "file"; append(line: string): void; close(): void }
  | { readonly kind: "stream"; append(line: string): Promise<void>; close(): Promise<void> };

/** Runs `run`, and records what it changes and how it ends. Throws what `run` throws. */
export async function audited<E extends Ending>(options: AuditOptions, run: () => Promise<E>): Promise<E> {
  if (options.place === "off") return run();
  const log = new AuditLog(options);
  const ending = await withAuditTrail(log, run);
  await log.end(ending);
  return ending;
}

class AuditLog implements AuditTrail {
  readonly #options: AuditOptions;
  readonly #evidence: Evidence[];
  readonly #repeated = new Set<string>();
  #facts: RunFacts | undefined;
  #sink: Sink | undefined;
  /** What is on its way to a stream. */
  #sending: Promise<void> = Promise.resolve();
  #isBroken = false;
  #changes = 0;

  constructor(options: AuditOptions) {
    this.#options = options;
    this.#evidence = [...options.evidence];
  }

  evidence(evidence: Evidence): void {
    const text = JSON.stringify(evidence);
    if (!this.#evidence.some((each) => JSON.stringify(each) === text)) this.#evidence.push(evidence);
  }

  change(change: Change): void {
    this.#changes++;
    if (change.repeats === true || change.uncertain === true) {
      const key = JSON.stringify([change.action, change.target]);
      if (this.#repeated.has(key)) return;
      this.#repeated.add(key);
    }
    this.#write((facts) => changeLine(this.#options.now(), facts, change, this.#evidence));
  }

  async end({ exitCode, error }: Ending): Promise<void> {
    if (this.#changes === 0) return;
    const end = { exitCode, changes: this.#changes, ...(error !== undefined && { error }) };
    this.#write((facts) => endLine(this.#options.now(), facts, end, this.#evidence));
    await this.#sending;
    try {
      await this.#sink?.close();
    } catch (failure) {
      await this.#complain(failure);
    }
  }

  #write(textOf: (facts: RunFacts) => string): void {
    const { command, env } = this.#options;
    this.#facts ??= {
      run: randomBytes(8).toString("hex"),
      version: packageJson.version,
      command: command(),
      actor: whoRuns(env),
    };
    const text = textOf(this.#facts);
    const send = (attempt: () => Promise<void>): void => {
      this.#sending = this.#sending.then(attempt).catch((failure: unknown) => this.#complain(failure));
    };
    try {
      this.#sink ??= this.#open();
      const sink = this.#sink;
      if (sink.kind === "stream") send(() => sink.append(text));
      else sink.append(text);
    } catch (failure) {
      send(() => Promise.reject(failure));
    }
  }

  #open(): Sink {
    const { place, cwd, print } = this.#options;
    if (place === "stderr") return { kind: "stream", append: print, close: () => Promise.resolve() };
    if (place === "journald") return { kind: "stream", ...openJournal("kubemend") };
    return { kind: "file", ...openAuditFile(resolve(cwd, place)) };
  }

  /** Once, however many changes there are. */
  async #complain(failure: unknown): Promise<void> {
    if (this.#isBroken) return;
    this.#isBroken = true;
    const why = failure instanceof Error ? failure.message : String(failure);
    await this.#options.print(
      `warning: the audit log is not written, and so what this run changes is recorded nowhere: ${why}`,
    );
  }
}
