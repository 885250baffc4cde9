/** What a process that waits costs. */
import { readFileSync } from "node:fs";

/** Of /proc/PID/stat. */
const TICKS = 100;

export function cpuSeconds(of: number): number {
  const stat = readFileSync(`/proc/${of}/stat`, "utf8");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) / TICKS;
}

/**
 * What is resident; of that what is the process' own, and what are pages of files, Node's program above all, that the
 * kernel may drop and read again.
 */
export function memoryOf(of: number): [string, number][] {
  const text = readFileSync(`/proc/${of}/smaps_rollup`, "utf8");
  const kilobytes = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+)`, "m").exec(text)?.[1]);
  const resident = kilobytes("Rss");
  const own = kilobytes("Anonymous");
  return [
    ["resident memory", resident],
    ["of that, its own", own],
    ["of that, pages of files", resident - own],
    ["PSS", kilobytes("Pss")],
  ];
}
