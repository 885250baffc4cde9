/**
 * An etcd that is a unit of systemd's, on a host of its own: where its data is, as whom it runs, and how it is stopped
 * and started.
 */
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { basename, isAbsolute, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { MendError } from "../../errors/errors.ts";
import { containerFlags, flagNamed } from "../../kube/container-flags.ts";
import { objectOf, textOf } from "../../kube/fields.ts";
import type { JsonObject } from "../../kube/object.ts";
import { readYaml } from "../../kube/read-yaml.ts";
import { recordChange } from "../audit/audit-trail.ts";
import { readQuietly } from "../files/quiet-reads.ts";
import { commandLine, processes } from "./local-node.ts";
import { type SystemctlErrors, systemctl } from "./systemctl.ts";

const run = promisify(execFile);
/** Where systemd is the first process (`sd_booted(3)`). */
const SYSTEMD = "/run/systemd/system";
const UNIT = "etcd.service";
const PROPERTIES = [
  "LoadState",
  "ActiveState",
  "MainPID",
  "User",
  "Group",
  "WorkingDirectory",
  "Environment",
  "EnvironmentFiles",
  "ExecStart",
];
/** The unit's own time to stop is 90 s unless it says otherwise. */
const STOP_MS = 120_000;
const POLL_MS = 200;

export interface EtcdService {
  readonly unit: string;
  readonly active: boolean;
  /** Undefined where neither the process nor the unit says it. */
  readonly dataDir: string | undefined;
  /** As chown takes it; undefined for root. */
  readonly owner: string | undefined;
}

/** Undefined where systemd does not run, or has no such unit. */
export async function findEtcdService(): Promise<EtcdService | undefined> {
  if (!existsSync(SYSTEMD)) return undefined;
  const shown = await systemctl(["show", `--property=${PROPERTIES.join(",")}`, UNIT], ERRORS);
  return etcdServiceOf(shown, {
    read: readQuietly,
    words: commandLine,
    environment: (pid) => readQuietly(`/proc/${pid}/environ`).split("\0"),
  });
}

/** What {@link etcdServiceOf} looks into. */
export interface EtcdServiceFiles {
  readonly read: (path: string) => string;
  readonly words: (pid: number) => readonly string[];
  readonly environment: (pid: number) => readonly string[];
}

/**
 * From what `systemctl show` prints. Where it runs, its own words and environment count; else those that the unit has:
 * flags before a configuration file before the environment, as etcd reads them.
 */
export function etcdServiceOf(shown: string, files: EtcdServiceFiles): EtcdService | undefined {
  const value = (name: string): string =>
    shown
      .split("\n")
      .find((line) => line.startsWith(`${name}=`))
      ?.slice(name.length + 1)
      .trim() ?? "";
  if (value("LoadState") !== "loaded") return undefined;
  const pid = Number(value("MainPID"));
  const isRunning = pid > 0 && basename(files.words(pid)[0] ?? "") === "etcd";
  const words = isRunning ? files.words(pid) : unitWords(value("ExecStart"));
  const environment = isRunning ? files.environment(pid) : unitEnvironment(value("Environment"), shown, files);
  const variable = (name: string): string | undefined =>
    environment
      .findLast((pair) => pair.startsWith(`${name}=`))
      ?.slice(name.length + 1)
      .replace(/^(["'])(.*)\1$/, "$2");
  const flags = containerFlags({ command: [...words] });
  const config = flagNamed(flags, "config-file") ?? variable("ETCD_CONFIG_FILE");
  const dataDir =
    config === undefined
      ? (flagNamed(flags, "data-dir") ?? variable("ETCD_DATA_DIR"))
      : textOf(objectOf(yaml(files.read(config)))["data-dir"]) || undefined;
  const [user, group] = [value("User"), value("Group")];
  const directory = value("WorkingDirectory");
  return {
    unit: UNIT,
    active: /^(active|activating|reloading)$/.test(value("ActiveState")),
    dataDir:
      dataDir === undefined || isAbsolute(dataDir)
        ? dataDir
        : isAbsolute(directory)
          ? join(directory, dataDir)
          : undefined,
    owner: user === "" || user === "root" || user === "0" ? undefined : `${user}:${group}`,
  };
}

/** Returns when no etcd runs here any more. */
export async function stopEtcdService(
  unit: string,
  { signal, report }: { readonly signal?: AbortSignal; readonly report: (text: string) => void },
): Promise<void> {
  await systemctl(["stop", unit], ERRORS);
  const deadline = performance.now() + STOP_MS;
  for (let isSaid = false; etcdRuns(); ) {
    if (!isSaid) report("waiting for etcd to end");
    isSaid = true;
    if (performance.now() > deadline) {
      throw new MendError("timeout", `an etcd still runs ${STOP_MS / 1000} s after systemd has stopped ${unit}`, {
        hint: "stop what starts it, then run the same command again",
      });
    }
    await sleep(POLL_MS, undefined, signal === undefined ? {} : { signal });
  }
}

/** Does not wait until it serves: alone it may have no quorum, and its unit waits for that. */
export async function startEtcdService(unit: string): Promise<void> {
  await systemctl(["start", "--no-block", unit], ERRORS);
}

/** Gives what was written there to the user that the unit's etcd runs as. */
export async function giveTo(owner: string, directory: string): Promise<void> {
  try {
    await run("chown", ["-R", owner, directory]);
    recordChange({ action: `chown to ${owner}`, target: directory });
  } catch (error) {
    throw new MendError("permission-denied", `"${directory}" cannot be given to ${owner}`, {
      where: directory,
      hint: "see whether that user exists; then run the same command again",
      cause: error,
    });
  }
}

function etcdRuns(): boolean {
  return processes().some((pid) => basename(commandLine(pid)[0] ?? "") === "etcd");
}

/** Of `{ path=/usr/bin/etcd ; argv[]=/usr/bin/etcd --name m1 ; … }`. */
function unitWords(execStart: string): readonly string[] {
  const words = /argv\[\]=(.*?) ;/.exec(execStart)?.[1];
  return words === undefined ? [] : words.split(/\s+/);
}

/** Files come after the unit's own lines, and count more, as in systemd. */
function unitEnvironment(own: string, shown: string, files: EtcdServiceFiles): readonly string[] {
  const paths = shown
    .split("\n")
    .flatMap((line) => /^EnvironmentFiles=(\S+)/.exec(line)?.[1] ?? [])
    .map((path) => files.read(path));
  return [...own.split(/\s+/), ...paths.flatMap((text) => text.split("\n").map((line) => line.trim()))];
}

function yaml(text: string): JsonObject {
  try {
    return objectOf(readYaml(text) as JsonObject);
  } catch {
    return {};
  }
}

const ERRORS: SystemctlErrors = { code: "service-failed", hint: `run it as root, and see journalctl -u ${UNIT}` };
