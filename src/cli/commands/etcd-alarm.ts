/** `kubemend etcd alarm …`: etcdctl's commands and its output, guarded. */
import { jsonLine } from "../json-outputs.ts";
import { defineCommand, defineGroup } from "../options/define-command.ts";
import { ETCD_FLAGS, etcdFlags, QUOTA_FLAG } from "../options/etcd-flags.ts";
import { toggle } from "../options/flag.ts";
import { outputFlag } from "../options/output-flags.ts";

const PAGE = "docs/back-up-and-restore-etcd.md";
const COMMON = { ...ETCD_FLAGS, output: outputFlag(["text", "json"]) };

const list = defineCommand({
  name: "list",
  text: "alarms that members have raised",
  flags: COMMON,
  examples: ["kubemend etcd alarm list"],
  page: PAGE,
  async run(_, flags, { host }) {
    const { listAlarms } = await import("../../operations/etcd/maintain.ts");
    await host.stdout.write(alarmsText(await listAlarms(etcdFlags(host, flags), host.signal), flags.output));
  },
});

const disarm = defineCommand({
  name: "disarm",
  text: "end the alarms whose cause is gone",
  flags: {
    ...COMMON,
    force: toggle("--force", "also those whose cause is still there"),
    quotaBackendBytes: QUOTA_FLAG,
  },
  examples: ["kubemend etcd alarm disarm"],
  page: PAGE,
  async run(_, flags, { host }) {
    const { disarmAlarms } = await import("../../operations/etcd/maintain.ts");
    const { force, quotaBackendBytes: quota } = flags;
    const wanted = { force, ...(quota === undefined ? {} : { quota }) };
    const ended = await disarmAlarms(etcdFlags(host, flags), wanted, host.signal);
    await host.stdout.write(alarmsText(ended, flags.output));
  },
});

export const etcdAlarm = defineGroup({
  name: "alarm",
  text: "list and end alarms",
  page: PAGE,
  commands: [list, disarm],
});

/** etcdctl's lines: ids are decimal in them. */
function alarmsText(
  alarms: readonly { readonly memberId: bigint; readonly type: string }[],
  output: "text" | "json",
): string {
  if (output === "json") {
    const list = alarms.map(({ memberId, type }) => ({ memberId: memberId.toString(16), alarm: type }));
    return jsonLine("etcd alarm list, disarm", { alarms: list });
  }
  return alarms.map(({ memberId, type }) => `memberID:${memberId} alarm:${type} \n`).join("");
}
