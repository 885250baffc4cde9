/**
 * A line at the bottom of the terminal that says how things stand, while other lines go by above it. Without a
 * terminal: a line now and then, where asked for.
 */
import type { Host } from "../host.ts";
import { oneLine } from "./escape.ts";
import type { ProgressMode } from "./progress.ts";

const QUIET_MS = 1000;
const TTY_INTERVAL_MS = 200;
const PLAIN_INTERVAL_MS = 10_000;

export class LiveLine {
  readonly #host: Host;
  readonly #isMoving: boolean;
  readonly #isPlain: boolean;
  readonly #began: number;
  #last: number;
  #text = "";
  #isShown = false;

  constructor(host: Host, mode: ProgressMode) {
    this.#host = host;
    this.#isMoving = mode === "auto" && host.stderr.isTTY;
    this.#isPlain = mode === "plain";
    this.#began = host.now();
    this.#last = this.#began;
  }

  /** How things stand now. */
  set(text: string): void {
    const now = this.#host.now();
    if (text === this.#text && this.#isPlain) return;
    if (now - this.#began < QUIET_MS || now - this.#last < (this.#isMoving ? TTY_INTERVAL_MS : PLAIN_INTERVAL_MS))
      return;
    this.#last = now;
    this.#text = text;
    if (this.#isPlain) void this.#host.stderr.write(`${oneLine(text)}\n`);
    if (!this.#isMoving) return;
    this.#isShown = true;
    void this.#host.stderr.moveLine(text);
  }

  /** A line that stays, on stdout or stderr. */
  print(stream: "stdout" | "stderr", text: string): void {
    this.clear();
    void this.#host[stream].write(`${oneLine(text)}\n`);
  }

  /** Takes the moving line away. */
  clear(): void {
    if (!this.#isShown) return;
    this.#isShown = false;
    void this.#host.stderr.clearLine();
  }
}
