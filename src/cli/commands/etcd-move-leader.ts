import { jsonLine } from "../json-outputs.ts";
import { argument, defineCommand } from "../options/define-command.ts";
import { ETCD_FLAGS, etcdFlags } from "../options/etcd-flags.ts";
import { outputFlag } from "../options/output-flags.ts";

/** etcdctl's command and its output, guarded. */
export const etcdMoveLeader = defineCommand({
  name: "move-leader",
  text: "let another voting member lead",
  args: { member: argument("<member>", "its id in hex, or its name") },
  flags: { ...ETCD_FLAGS, output: outputFlag(["text", "json"]) },
  examples: ["kubemend etcd move-leader m2 --endpoints https://10.0.0.1:2379"],
  page: "docs/back-up-and-restore-etcd.md",
  async run({ member }, flags, { host }) {
    const { moveLeader } = await import("../../operations/etcd/change-members.ts");
    const moved = await moveLeader(etcdFlags(host, flags), member, host.signal);
    const text = `Leadership transferred from ${moved.from} to ${moved.to}\n`;
    await host.stdout.write(flags.output === "json" ? jsonLine("etcd move-leader", moved) : text);
  },
});
