/**
 * Stops the kubelet of this machine and starts it again in the same way: by systemd where one of its units runs it,
 * else as the process that it was, with its own words, environment and directory.
 */

import { spawn } from "node:child_process";
import { closeSync, existsSync, openSync, readFileSync, readlinkSync } from "node:fs";
import { basename } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { defined } from "../../errors/defined.ts";
import { MendError } from "../../errors/errors.ts";
import type { KubeletStart } from "../../nodes/clean-record.ts";
import { recordChange } from "../audit/audit-trail.ts";
import { findKubelet } from "./local-node.ts";
import { type SystemctlErrors, systemctl } from "./systemctl.ts";

/** Where systemd is the first process (`sd_booted(3)`). */
const SYSTEMD = "/run/systemd/system";
const DEFAULT_UNIT = "kubelet.service";
const TERMINATION_MS = 30_000;
/** Supervisors that start what ends again do so within a second or some. */
const RESTART_MS = 4_000;
const SETTLE_MS = 2_000;
const POLL_MS = 100;

export interface KubeletService {
  readonly start: KubeletStart;
  /** Undefined where a unit exists, or keeps failing, and no process runs now. */
  readonly pid: number | undefined;
}

/** The kubelet that runs here, or that a unit of systemd's starts again and again. Undefined where there is none. */
export async function findKubeletService(): Promise<KubeletService | undefined> {
  const kubelet = findKubelet();
  if (kubelet !== undefined) {
    const { pid } = kubelet;
    const unit = existsSync(SYSTEMD) ? unitOf(readQuietly(`/proc/${pid}/cgroup`)) : undefined;
    return { start: unit === undefined ? processStart(pid) : { kind: "systemd", unit }, pid };
  }
  if (!existsSync(SYSTEMD)) return undefined;
  const state = await systemctl(["show", "--property=ActiveState", "--value", DEFAULT_UNIT], ERRORS);
  if (!/^(active|activating|reloading)$/.test(state.trim())) return undefined;
  return { start: { kind: "systemd", unit: DEFAULT_UNIT }, pid: undefined };
}

/** Whether systemd has a unit that would start one. */
export async function hasKubeletUnit(): Promise<boolean> {
  if (!existsSync(SYSTEMD)) return false;
  const state = await systemctl(["show", "--property=LoadState", "--value", DEFAULT_UNIT], ERRORS);
  return state.trim() === "loaded";
}

/**
 * Starts it by its unit; one that runs is started again, so that it reads its files. Where no unit is, one that runs is
 * ended and started as it was.
 */
export async function restartKubelet(log: string, signal?: AbortSignal): Promise<void> {
  const service = await findKubeletService();
  try {
    if (service !== undefined) await stopKubelet(service, signal);
  } catch (error) {
    if (error instanceof MendError && error.code === "kubelet-restarted") return; // by whoever watches over it
    throw error;
  }
  await startKubelet(service?.start ?? { kind: "systemd", unit: DEFAULT_UNIT }, log);
}

/** In words, such as `systemd unit kubelet.service`. */
export function kubeletText(service: KubeletService | KubeletStart): string {
  const start = "start" in service ? service.start : service;
  if (start.kind === "systemd") return `systemd unit ${start.unit}`;
  return "pid" in service && service.pid !== undefined ? `process ${service.pid}` : start.program;
}

/** Ends it, and makes sure that nobody starts it again. Throws `kubelet-restarted` where somebody does. */
export async function stopKubelet(service: KubeletService, signal?: AbortSignal): Promise<void> {
  const { start, pid } = service;
  if (start.kind === "systemd") {
    await systemctl(["stop", start.unit], ERRORS);
    const left = findKubelet();
    if (left !== undefined) throw restarted(left.pid, `after systemd has stopped ${start.unit}`);
    return;
  }
  if (pid === undefined) return;
  end(pid, "SIGTERM");
  for (let waited = 0; isRunning(pid) && waited < TERMINATION_MS; waited += POLL_MS) {
    await sleep(POLL_MS, undefined, { signal });
  }
  if (isRunning(pid)) end(pid, "SIGKILL");
  for (let waited = 0; waited < RESTART_MS; waited += POLL_MS) {
    const again = findKubelet();
    if (again !== undefined && again.pid !== pid) throw restarted(again.pid, `after process ${pid} was stopped`);
    await sleep(POLL_MS, undefined, { signal });
  }
}

/** Throws `kubelet-restarted` where a kubelet runs although it was stopped. */
export function assertKubeletStopped(): void {
  const found = findKubelet();
  if (found !== undefined) throw restarted(found.pid, "although it was stopped");
}

/** Starts it as it was; `log` takes what it writes where its log was no file. Returns its process id. Throws `kubelet-failed`. */
export async function startKubelet(start: KubeletStart, log: string): Promise<number> {
  const running = findKubelet();
  if (running !== undefined) return running.pid;
  if (start.kind === "systemd") {
    await systemctl(["start", start.unit], ERRORS);
    await sleep(SETTLE_MS);
    const found = findKubelet();
    if (found !== undefined) return found.pid;
    throw new MendError("kubelet-failed", `systemd has started ${start.unit}, but no kubelet runs`, {
      hint: `see journalctl -u ${start.unit}`,
    });
  }
  const output = openSync(start.log ?? log, "a", 0o600);
  try {
    const environment = start.environment.map((pair) => [
      pair.slice(0, pair.indexOf("=")),
      pair.slice(pair.indexOf("=") + 1),
    ]);
    const child = spawn(start.program, start.words.slice(1), {
      argv0: defined(start.words[0]),
      cwd: start.cwd,
      env: Object.fromEntries(environment),
      detached: true,
      stdio: ["ignore", output, output],
    });
    const failed = new Promise<Error>((resolve) => child.once("error", resolve));
    const ended = new Promise<string>((resolve) => child.once("exit", (code, by) => resolve(String(code ?? by))));
    recordChange({ action: "start", target: start.program });
    const early = await Promise.race([failed, ended, sleep(SETTLE_MS, undefined)]);
    if (early !== undefined) {
      const why = early instanceof Error ? early.message : `it ended with ${early}`;
      throw new MendError("kubelet-failed", `the kubelet does not start: ${why}`, {
        where: start.program,
        hint: `see its log "${start.log ?? log}"`,
      });
    }
    child.unref();
    return defined(child.pid);
  } finally {
    closeSync(output);
  }
}

function processStart(pid: number): KubeletStart {
  const read = (name: string): string[] =>
    readFileSync(`/proc/${pid}/${name}`, "utf8")
      .split("\0")
      .filter((part) => part !== "");
  const output = readlinkSync(`/proc/${pid}/fd/2`);
  return {
    kind: "process",
    program: readlinkSync(`/proc/${pid}/exe`).replace(/ \(deleted\)$/, ""),
    words: read("cmdline"),
    cwd: readlinkSync(`/proc/${pid}/cwd`),
    environment: read("environ").filter((pair) => pair.indexOf("=") > 0),
    log: output.startsWith("/") && !output.startsWith("/dev/") && existsSync(output) ? output : null,
  };
}

/** The unit that a process is of, from `/proc/PID/cgroup`; undefined for one of a login's session, or of a container's. */
export function unitOf(groups: string): string | undefined {
  const lines = groups.split("\n");
  const own = lines.find((line) => line.includes(":name=systemd:")) ?? lines.find((line) => line.startsWith("0::"));
  const path = own?.slice(own.lastIndexOf(":") + 1) ?? "";
  return /^\/(?!user\.slice)(?:[^/]+\.slice\/)*([^/]+\.service)(?:\/|$)/.exec(path)?.[1];
}

const ERRORS: SystemctlErrors = { code: "kubelet-failed", hint: "run it as root, and see journalctl -xe" };

function restarted(pid: number, when: string): MendError {
  const parent = /^PPid:\s*(\d+)/m.exec(readQuietly(`/proc/${pid}/status`))?.[1] ?? "0";
  const words = readQuietly(`/proc/${parent}/cmdline`).split("\0");
  const supervisor = `process ${parent} ("${basename(words[0] ?? "") || "unknown"}")`;
  return new MendError("kubelet-restarted", `a kubelet runs again ${when}: process ${pid}, started by ${supervisor}`, {
    where: `process ${pid}`,
    hint: `stop what starts the kubelet, then run this again`,
  });
}

/** One that has ended and that its parent has not noticed yet is not running. */
function isRunning(pid: number): boolean {
  const stat = readQuietly(`/proc/${pid}/stat`);
  return stat !== "" && !/^[ZX]/.test(stat.slice(stat.lastIndexOf(")") + 2));
}

function end(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
    recordChange({ action: signal, target: `process ${pid}, the kubelet` });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ESRCH") return; // it has ended already
    throw new MendError("permission-denied", `cannot stop the kubelet (process ${pid})`, {
      where: `process ${pid}`,
      hint: "run it as root, such as with sudo",
      cause: error,
    });
  }
}

function readQuietly(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
