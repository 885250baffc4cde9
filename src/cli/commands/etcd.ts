/** `kubemend etcd …`: members of a cluster, alive or not. One file a subcommand. */
import { defineGroup } from "../options/define-command.ts";
import { etcdAlarm } from "./etcd-alarm.ts";
import { etcdCompact } from "./etcd-compact.ts";
import { etcdDefrag } from "./etcd-defrag.ts";
import { etcdHealth } from "./etcd-health.ts";
import { etcdMember } from "./etcd-member.ts";
import { etcdMembers } from "./etcd-members.ts";
import { etcdMoveLeader } from "./etcd-move-leader.ts";
import { etcdSalvage } from "./etcd-salvage.ts";

export const etcdGroup = defineGroup({
  name: "etcd",
  text: "look after etcd members, alive or not",
  page: "docs/back-up-and-restore-etcd.md",
  commands: [etcdMembers, etcdHealth, etcdMember, etcdMoveLeader, etcdDefrag, etcdCompact, etcdAlarm, etcdSalvage],
});
