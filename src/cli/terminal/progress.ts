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
  let step = { name: "", started, done: 0 };
  return {
    sink(progress) {
      const now = host.now();
      // Each step has a pace of its own.
      if (progress.step !== step.name) step = { name: progress.step, started: now, done: progress.done };
      if (now - started < QUIET_MS || now - last < (moving ? TTY_INTERVAL_MS : PLAIN_INTERVAL_MS)) return;
      last = now;
      shown = true;
      const pace = (progress.done - step.done) / Math.max((now - step.started) / 1000, 0.001);
      const text = progressText(progress, pace);
      void (moving ? host.stderr.moveLine(text) : host.stderr.write(`${text}\n`));
    },
    async end() {
      if (shown && moving) await host.stderr.clearLine();
    },
  };
}

/** Such as `reading  45%  0.7 of 1.5 GB  310 MB/s  3s left`. `pace`: units a second. */
export function progressText({ step, done, total, unit }: Progress, pace: number): string {
  const amount = (value: number): string => (unit === "bytes" ? byteText(value) : `${value} ${unit}`);
  const rate = pace > 0 ? `  ${amount(Math.round(pace))}/s` : "";
  if (total === undefined || total === 0) return `${step}  ${amount(done)}${rate}`;
  const percent = Math.floor((100 * done) / total);
  const of = unit === "bytes" ? `${byteText(done)} of ${byteText(total)}` : `${done} of ${total} ${unit}`;
  const left = pace > 0 && done < total ? `  ${leftText((total - done) / pace)}` : "";
  return `${step}  ${String(percent).padStart(3)}%  ${of}${rate}${left}`;
}

/** Such as `3s left`, `4m10s left`, `2h05m left`. */
function leftText(seconds: number): string {
  const whole = Math.ceil(seconds);
  const two = (value: number): string => String(value).padStart(2, "0");
  if (whole < 60) return `${whole}s left`;
  if (whole < 3600) return `${Math.floor(whole / 60)}m${two(whole % 60)}s left`;
  return `${Math.floor(whole / 3600)}h${two(Math.floor((whole % 3600) / 60))}m left`;
}
