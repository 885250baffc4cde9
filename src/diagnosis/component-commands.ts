/** How a component is started or restarted, by what runs it: the kubelet, a service, nobody known. Here, or on another machine. */
import type { ComponentName } from "../kube/component.ts";
import { commandLine, onHost } from "./command-line.ts";
import type { Facts, LocalComponent } from "./facts.ts";
import { remoteServiceCommands, serviceCommands } from "./service-command.ts";
import { isStaticPod, usesStaticPods } from "./static-pods.ts";
import type { Trouble } from "./trouble.ts";

type Mending = Pick<Trouble, "commands" | "advice">;

/** A component of this machine that runs and does not answer: starting it would change nothing. */
export function restartHere(name: ComponentName, facts: Facts): Mending {
  const component = facts.local?.components.find((each) => each.name === name);
  const { pid, state } = component?.process ?? {};
  if (pid !== undefined && state === "stopped") {
    return {
      commands: [commandLine("sudo", "kill", "-CONT", String(pid))],
      advice: `process ${pid} is stopped by a signal (state T): somebody has halted it, or a debugger has`,
    };
  }
  const hung =
    state === "disk" ? { advice: "its process waits for the disk (state D): look at the disk first, with dmesg" } : {};
  if (component !== undefined && pid !== undefined && isStaticPod(component)) {
    const advice = hung.advice ?? "the kubelet starts its container again at once";
    return { commands: [commandLine("sudo", "kill", "-KILL", String(pid))], advice };
  }
  return { ...serviceHere(component, name, "restart", facts), ...hung };
}

/** A component of this machine that does not run and is no static pod. */
export function startHere(name: ComponentName, facts: Facts): Mending {
  return serviceHere(
    facts.local?.components.find((each) => each.name === name),
    name,
    "start",
    facts,
  );
}

/**
 * A component of another machine: what is wrong there is to be seen there only where a kubelet runs it, since then
 * there is no service to start.
 * @param hangs whether it takes connections and does not answer
 */
export function mendElsewhere(name: ComponentName, host: string, hangs: boolean, facts: Facts): string[] {
  if (usesStaticPods(facts)) return [onHost(host, "sudo", "kubemend", "diagnose")];
  const osImage = facts.cluster?.nodes.find((node) => node.address === host || node.name === host)?.osImage ?? "";
  return remoteServiceCommands(host, osImage, hangs ? "restart" : "start", name);
}

function serviceHere(
  component: LocalComponent | undefined,
  name: ComponentName,
  verb: "start" | "restart",
  { local }: Facts,
): Mending {
  const unit = component?.unit?.replace(/\.service$/, "") ?? name;
  const commands = serviceCommands(local?.serviceManager, verb, unit);
  if (commands.length > 0) return { commands };
  return {
    commands: [],
    advice: `${verb} ${name} as it is started on this machine: there is no manifest of it and no service manager`,
  };
}
