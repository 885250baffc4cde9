/** The flags of etcd-flags.ts for commands that are not values yet. */
import type { Command } from "commander";
import { ETCD_FLAGS, type EtcdValues } from "./etcd-flags.ts";

export { etcdFlags } from "./etcd-flags.ts";
export type EtcdOptions = EtcdValues;

export function etcdOptions(command: Command): Command {
  for (const flag of Object.values(ETCD_FLAGS)) command.addOption(flag.option());
  return command;
}
