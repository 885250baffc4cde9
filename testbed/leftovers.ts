/** Removes every trace of a bed by its id: processes, namespaces, cgroups, files, in that order. Synchronous throughout. */
import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync, rmdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { markedProcesses } from "./processes.ts";

export function removeAll(id: string, directory: string): void {
  endProcesses(id);
  unmountUnder(directory);
  for (const namespace of namespacesOf(id)) command("ip", "netns", "delete", namespace);
  removeCgroups(id);
  rmSync(directory, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
}

/** The network namespaces of a bed. */
export function namespacesOf(id: string): string[] {
  return list("/run/netns").filter((name) => name === id || name.startsWith(`${id}-`));
}

/** Ends the bed's processes. The first process of a node's own process namespace takes all the others there with it. */
function endProcesses(id: string): void {
  for (let tries = 0; tries < 200; tries++) {
    const running = markedProcesses(id);
    if (running.length === 0) return;
    for (const { pid } of running) {
      try {
        process.kill(pid, "SIGKILL");
      } catch {
        // it has ended already
      }
    }
    pause(25);
  }
  const names = markedProcesses(id).map(({ name, pid }) => `${name} (${pid})`);
  throw new Error(`processes of bed "${id}" do not end: ${names.join(", ")}`);
}

function unmountUnder(directory: string): void {
  const mounted = readFileSync("/proc/self/mounts", "utf8")
    .split("\n")
    .map((line) => line.split(" ")[1] ?? "")
    .filter((path) => path === directory || path.startsWith(`${directory}/`));
  for (const path of mounted.reverse()) command("umount", "--lazy", path);
}

/** Removes a cgroup, a path relative to the root, from every hierarchy. */
export function removeCgroups(path: string): void {
  for (const hierarchy of list("/sys/fs/cgroup")) removeCgroup(join("/sys/fs/cgroup", hierarchy, path));
  removeCgroup(join("/sys/fs/cgroup", path)); // version 2 has a single hierarchy
}

/** A cgroup can be removed when its children are, and when the last process in it has really gone. */
function removeCgroup(path: string): void {
  for (const child of directoriesIn(path)) removeCgroup(join(path, child));
  for (let tries = 0; tries < 40; tries++) {
    try {
      rmdirSync(path);
      return;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EBUSY") return; // it is not there
      pause(25);
    }
  }
}

function directoriesIn(path: string): string[] {
  try {
    return readdirSync(path, { withFileTypes: true }).flatMap((entry) => (entry.isDirectory() ? [entry.name] : []));
  } catch {
    return [];
  }
}

function list(path: string): string[] {
  try {
    return readdirSync(path);
  } catch {
    return [];
  }
}

function command(file: string, ...args: string[]): void {
  spawnSync(file, args, { stdio: "ignore" });
}

function pause(milliseconds: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, milliseconds);
}
