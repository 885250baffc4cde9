/**
 * Why a static pod's container ends again and again, by its last words, and what mends it: its manifest, or only that
 * it starts again, because what it could not reach answers by now.
 */
import { defined } from "../errors/defined.ts";
import { commandLine } from "./command-line.ts";
import type { Facts, LocalComponent } from "./facts.ts";
import { type ServiceManager, serviceCommands } from "./service-command.ts";
import type { Trouble } from "./trouble.ts";

/** What a leader says that ends because it could not renew. */
const LOST_LEASE = /leader ?election lost|failed to renew lease/i;
/** The last words of a leader that ends in order, which do not say why; a mistake of its manifest's speaks of an error. */
const ENDED_IN_ORDER = /shutting down|shutdown/i;
const COMPLAINS = /error|fail|fatal|panic|unknown|invalid|cannot|unable|refused|denied|exceeded|no such/i;
/** What is said of a server that is away, does not answer, or breaks the connection. */
const NO_ANSWER = new RegExp(
  [
    "connection (?:refused|reset)|connection lost|connection closed|no route to host|network is unreachable",
    "deadline exceeded|i/o timeout|handshake timeout|timed out|timeout exceeded",
    "stream error|unexpected EOF|: EOF|etcdserver: |transport is closing",
  ].join("|"),
  "i",
);
/** The kubelet waits longer and longer before it starts a container again, at most so long. */
const LONGEST_WAIT = "5 minutes";

export function mendCrash(
  component: Pick<LocalComponent, "name" | "manifest" | "log">,
  facts: Facts,
  serviceManager: ServiceManager,
): Pick<Trouble, "commands" | "advice"> {
  const words = component.log?.lastLines ?? [];
  const path = defined(component.manifest).path;
  const lostLease = lostItsLease(words.join("\n"));
  // What an etcd gets no answer from are its peers, which is no reason to end.
  if (lostLease || (component.name !== "etcd" && endedWithoutAnAnswer(words))) {
    const isApiServer = component.name === "kube-apiserver";
    const behind = isApiServer ? "etcd" : "the API server";
    if (!answersNow(component, facts)) {
      const why = lostLease ? "when it cannot renew its lease" : `without an answer from ${behind}`;
      const look = isApiServer ? "etcd" : "the API server and etcd";
      return { commands: [], advice: `it ends itself ${why}, and the kubelet starts it again: look at ${look}` };
    }
    return {
      commands: serviceCommands(serviceManager, "restart", "kubelet"),
      advice:
        `it got no answer from ${behind}, which answers now: the kubelet starts it again by itself, at most ` +
        `${LONGEST_WAIT} after it ended, or at once when the kubelet is restarted; ` +
        `if it ends again with the same words, compare the address in them with ${path}`,
    };
  }
  // An unknown flag is the one mistake that a command can take back; for the rest, the log and the manifest.
  const flag = /unknown flag: --([\w-]+)/.exec(words.join("\n"))?.[1];
  if (flag !== undefined) {
    return {
      commands: [commandLine("sudo", "sed", "-i", `/- --${flag}\\(=\\|$\\)/d`, path)],
      advice: `--${flag} is no flag of this version`,
    };
  }
  return { commands: [commandLine("sudoedit", path)], advice: "mend what its last words complain of" };
}

function lostItsLease(log: string): boolean {
  return LOST_LEASE.test(log) || (ENDED_IN_ORDER.test(log) && !COMPLAINS.test(log));
}

/** By the last line that complains: earlier ones may be of what it got over. */
function endedWithoutAnAnswer(lines: readonly string[]): boolean {
  const last = lines.findLast((line) => COMPLAINS.test(line));
  return last !== undefined && NO_ANSWER.test(last);
}

/** What the component depends on. */
function answersNow({ name }: Pick<LocalComponent, "name">, { api, etcd }: Facts): boolean {
  if (name !== "kube-apiserver") return api?.outcome.state === "answers";
  return etcd !== undefined && "survivesLosses" in etcd.health && etcd.health.survivesLosses >= 0;
}
