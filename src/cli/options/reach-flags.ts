/** How the nodes of a cluster are reached. */
import { InvalidArgumentError } from "commander";
import type { ReachOptions } from "../../operations/cluster/reach-nodes.ts";
import type { Host } from "../host.ts";
import { repeated, words } from "./flag.ts";

export const REACH_FLAGS = {
  node: repeated("--node <name=address>", "reach this node at another address than the backup has"),
  ssh: words(
    "--ssh <user@>",
    "log in as this user, who may use sudo without a password (default: what ssh's configuration says)",
  ),
  sshCommand: words("--ssh-command <command>", "the ssh client and its options", { default: "ssh" }),
  nodeCommand: words(
    "--node-command <command>",
    "run this kubemend on the nodes, instead of carrying this executable there",
  ),
};

interface ReachValues {
  readonly ssh: string | undefined;
  readonly sshCommand: string;
  readonly nodeCommand: string | undefined;
}

export function reachOptions(host: Host, { ssh, sshCommand, nodeCommand }: ReachValues): ReachOptions {
  return {
    ssh: { program: split(sshCommand), user: ssh?.replace(/@$/, "") },
    command: nodeCommand === undefined ? undefined : split(nodeCommand),
    signal: host.signal,
  };
}

/** Of `--node NAME=ADDRESS`. */
export function addresses(given: readonly string[]): ReadonlyMap<string, string> {
  return new Map(
    given.map((each) => {
      const [name, address, ...more] = each.split("=");
      if (!name || !address || more.length > 0)
        throw new InvalidArgumentError(`--node "${each}": expected NAME=ADDRESS`);
      return [name, address];
    }),
  );
}

function split(command: string): readonly string[] {
  return command.split(" ").filter((word) => word !== "");
}
