/**
 * What is wrong now, each reported once when it begins and once when it is over: a log of an outage is a few lines,
 * however long it takes.
 */
import { type Finding, MendError } from "../../errors/errors.ts";
import type { AgentLog } from "./checkpointer-options.ts";

/** Findings that have no end of their own are remembered by their text, so many at most. */
const MOST_REPORTED = 1000;

export class AgentFindings {
  readonly #log: AgentLog;
  readonly #now = new Map<string, Finding>();
  readonly #reported = new Map<string, string>();
  /** Writes that failed, ever. */
  failures = 0;

  constructor(log: AgentLog) {
    this.#log = log;
  }

  get current(): readonly Finding[] {
    return [...this.#now.values()];
  }

  begin(key: string, finding: Finding): void {
    if (this.#now.get(key)?.text !== finding.text) this.#write(finding);
    this.#now.set(key, finding);
  }

  end(key: string): void {
    const finding = this.#now.get(key);
    if (finding === undefined) return;
    this.#now.delete(key);
    this.#log("info", "over", { code: finding.code, where: finding.where, was: finding.text });
  }

  /** These are what is wrong of that kind now. */
  replace(prefix: string, findings: readonly Finding[]): void {
    const keys = new Map(findings.map((finding) => [`${prefix}${finding.code} ${finding.where}`, finding]));
    for (const key of [...this.#now.keys()]) if (key.startsWith(prefix) && !keys.has(key)) this.end(key);
    for (const [key, finding] of keys) this.begin(key, finding);
  }

  /** What concerns something that is no more. */
  forget(suffix: string): void {
    for (const key of [...this.#now.keys()]) if (key.endsWith(suffix)) this.#now.delete(key);
  }

  /** Begins or ends, as it is. */
  set(key: string, failure: Error | undefined): void {
    const code = failure instanceof MendError ? failure.code : "internal";
    if (failure === undefined) this.end(key);
    else this.begin(key, { level: "warning", code, where: key, text: failure.message });
  }

  /** Something could not be done. Mistakes of our own are thrown on. */
  fail(key: string, where: string, error: unknown): void {
    if (!(error instanceof MendError)) throw error;
    this.failures++;
    this.begin(key, { level: "error", code: error.code, where, text: error.message });
  }

  /** A finding about what was read: reported when it is new. */
  reportOnce(finding: Finding): void {
    const key = `${finding.code} ${finding.where}`;
    if (this.#reported.get(key) === finding.text) return;
    if (this.#reported.size >= MOST_REPORTED) this.#reported.clear();
    this.#reported.set(key, finding.text);
    this.#write(finding);
  }

  #write({ level, code, where, text }: Finding): void {
    this.#log(level === "error" ? "error" : level === "warning" ? "warn" : "info", text, { code, where });
  }
}
