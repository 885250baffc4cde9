/** `kubemend etcd …`: members of a cluster, alive or not. One file a subcommand. */
import type { Command } from "commander";
import type { CommandContext } from "../command.ts";
import { etcdHealthCommand } from "./etcd-health.ts";
import { etcdAlarmCommand, etcdCompactCommand, etcdDefragCommand, etcdMoveLeaderCommand } from "./etcd-maintain.ts";
import { etcdMemberCommand } from "./etcd-member.ts";
import { etcdMembersCommand } from "./etcd-members.ts";
import { etcdSalvageCommand } from "./etcd-salvage.ts";

export function registerEtcd(program: Command, context: CommandContext): void {
  const etcd = program.command("etcd").description("look after etcd members, alive or not").helpCommand(false);
  const commands = [
    etcdMembersCommand,
    etcdHealthCommand,
    etcdMemberCommand,
    etcdMoveLeaderCommand,
    etcdDefragCommand,
    etcdCompactCommand,
    etcdAlarmCommand,
    etcdSalvageCommand,
  ];
  for (const make of commands) {
    etcd.addCommand(make(context).copyInheritedSettings(etcd));
  }
}
