/** Shows how far an operation is: one moving line on a terminal, plain lines with `--progress=plain`, else nothing. Never on stdout. */
import type { Progress, ProgressSink } from "../../snapshot/progress.ts";
import type { Host } from "../host.ts";
import { byteText } from "./byte-text.ts";

export type ProgressMode = "auto" | "plain" | "none";

export interface ProgressLine {
  readonly sink: ProgressSink;
  /** Removes the line, so that what follows starts at the margin. */
  end(): Promise<void>;
}

/** Nothing is shown of what takes less than this. */
const QUIET_MS = 500;
const TTY_INTERVAL_MS = 100;
const PLAIN_INTERVAL_MS = 2000;

export function showProgress(host: Host, mode: ProgressMode): ProgressLine {
  const moving = mode === "auto" && host.stderr.isTTY;
  if (mode === "none" || (mode === "auto" && !moving)) return { sink: () => {}, end: async () => {} };
  const started = host.now();
  let last = started;
  let shown = false;
  return {
    sink(progress) {
      const now = host.now();
      if (now - started < QUIET_MS || now - last < (moving ? TTY_INTERVAL_MS : PLAIN_INTERVAL_MS)) return;
      last = now;
      shown = true;
      const text = progressText(progress, (now - started) / 1000);
      void (moving ? host.stderr.moveLine(text) : host.stderr.write(`${text}\n`));
    },
    async end() {
      if (shown && moving) await host.stderr.clearLine();
    },
  };
}

/** Such as `reading  45%  0.7 of 1.5 GB  310 MB/s`. */
function progressText({ step, done, total, unit }: Progress, seconds: number): string {
  const amount = (value: number): string => (unit === "bytes" ? byteText(value) : `${value} ${unit}`);
  const rate = `${amount(Math.round(done / Math.max(seconds, 0.001)))}/s`;
  if (total === undefined || total === 0) return `${step}  ${amount(done)}  ${rate}`;
  const percent = Math.floor((100 * done) / total);
  return `${step}  ${String(percent).padStart(3)}%  ${amount(done)} of ${amount(total)}  ${rate}`;
}
