/**
 * Commands that start and restart a service of a machine, by what starts services there. Where that is not known, or
 * nothing does, there is no command.
 */
import { commandLine, onHost } from "./command-line.ts";

/** What starts services: undefined where none was found, as in a container. */
export type ServiceManager = "systemd" | "openrc" | "talos" | "windows" | undefined;

export type ServiceVerb = "start" | "restart";

/** On this machine. */
export function serviceCommands(manager: ServiceManager, verb: ServiceVerb, unit: string): string[] {
  const words = serviceWords(manager, verb, unit);
  return words === undefined ? [] : [commandLine(...words)];
}

/** On another machine, by the system that its node reports; most have systemd. Talos has neither a shell nor ssh. */
export function remoteServiceCommands(host: string, osImage: string, verb: ServiceVerb, unit: string): string[] {
  const manager = managerOf(osImage);
  if (manager === "talos") return [commandLine("talosctl", "-n", host, "service", unit, verb)];
  return [onHost(host, ...(serviceWords(manager, verb, unit) ?? []))];
}

/** By what a node reports as its system (`nodeInfo.osImage`). */
function managerOf(osImage: string): ServiceManager {
  if (/talos/i.test(osImage)) return "talos";
  if (/windows/i.test(osImage)) return "windows";
  return /alpine/i.test(osImage) ? "openrc" : "systemd";
}

function serviceWords(manager: ServiceManager, verb: ServiceVerb, unit: string): string[] | undefined {
  switch (manager) {
    case "systemd":
      return ["sudo", "systemctl", verb, unit];
    case "openrc":
      return ["sudo", "rc-service", unit, verb];
    case "windows":
      return ["powershell", verb === "start" ? "Start-Service" : "Restart-Service", unit];
    case "talos":
    case undefined:
      return undefined;
  }
}
