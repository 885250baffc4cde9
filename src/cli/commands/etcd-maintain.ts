/** `kubemend etcd move-leader|compact|defrag|alarm`: etcdctl's commands and its output, guarded. */
import { Argument, Command, InvalidArgumentError, Option } from "commander";
import type { CommandContext } from "../command.ts";
import { type EtcdOptions, etcdFlags, etcdOptions } from "../options/etcd-options.ts";
import { duration } from "../options/flag.ts";
import { byteText } from "../terminal/byte-text.ts";
import { parseBytes } from "./etcd-health.ts";

type Output = { readonly output: "text" | "json" };

export function etcdMoveLeaderCommand({ host }: CommandContext): Command {
  return maintenanceCommand("move-leader")
    .description("let another voting member lead")
    .addArgument(new Argument("<member>", "its id in hex, or its name"))
    .addHelpText("after", "\nExamples:\n  kubemend etcd move-leader m2 --endpoints https://10.0.0.1:2379")
    .action(async (member: string, options: EtcdOptions & Output) => {
      const { moveLeader } = await import("../../operations/etcd/change-members.ts");
      const moved = await moveLeader(etcdFlags(host, options), member, host.signal);
      const text = `Leadership transferred from ${moved.from} to ${moved.to}\n`;
      await host.stdout.write(options.output === "json" ? `${JSON.stringify(moved)}\n` : text);
    });
}

export function etcdCompactCommand({ host }: CommandContext): Command {
  return maintenanceCommand("compact")
    .alias("compaction")
    .description("forget the revisions before one")
    .addArgument(new Argument("<revision>", "the oldest revision to keep").argParser(parseRevision))
    .option("--physical", "wait until they are off the disk")
    .addHelpText("after", "\nExamples:\n  kubemend etcd compact 123456 --physical")
    .action(async (revision: number, options: EtcdOptions & Output & { readonly physical?: true }) => {
      const { compactKeyspace } = await import("../../operations/etcd/maintain.ts");
      const wanted = { revision, physical: options.physical === true };
      await compactKeyspace(etcdFlags(host, options), wanted, host.signal);
      const text = `compacted revision ${revision}\n`;
      await host.stdout.write(options.output === "json" ? `${JSON.stringify({ compactRevision: revision })}\n` : text);
    });
}

const DEFRAG_TEXT = `
Examples:
  kubemend etcd defrag --cluster --endpoints https://10.0.0.1:2379
  kubemend etcd defrag --endpoints https://10.0.0.2:2379

One member at a time, the leader last. A member answers nothing while it is defragmented: where that would leave no quorum, nothing is done.`;

export function etcdDefragCommand({ host }: CommandContext): Command {
  return maintenanceCommand("defrag")
    .description("give the free space of members' databases back to the disk")
    .option("--cluster", "every member, not only the given endpoints")
    .option("--force", "also where no quorum answers meanwhile")
    .addOption(duration("--timeout <duration>", "for one member", { default: "10m" }).option())
    .addHelpText("after", DEFRAG_TEXT)
    .action(async (options: EtcdOptions & Output & DefragFlags) => {
      const { defragment } = await import("../../operations/etcd/maintain.ts");
      const { cluster = false, force = false, timeout } = options;
      const isJson = options.output === "json";
      const done = await defragment(
        etcdFlags(host, options),
        {
          cluster,
          force,
          timeout,
          onMember: ({ endpoint }) => void host.stderr.write(`defragmenting ${endpoint}\n`),
          onDone: async ({ endpoint, before, after }) => {
            if (isJson) return;
            const sizes = `${byteText(before)} before, ${byteText(after)} now`;
            await host.stdout.write(`Finished defragmenting etcd member[${endpoint}]: ${sizes}\n`);
          },
        },
        host.signal,
      );
      if (isJson) await host.stdout.write(`${JSON.stringify({ members: done })}\n`);
    });
}

interface DisarmFlags {
  readonly force?: true;
  readonly quotaBackendBytes?: number;
}

interface DefragFlags {
  readonly cluster?: true;
  readonly force?: true;
  readonly timeout: number;
}

export function etcdAlarmCommand({ host }: CommandContext): Command {
  const alarm = new Command("alarm").description("list and end alarms").helpCommand(false);
  alarm.addCommand(
    maintenanceCommand("list")
      .description("alarms that members have raised")
      .addHelpText("after", "\nExamples:\n  kubemend etcd alarm list")
      .action(async (options: EtcdOptions & Output) => {
        const { listAlarms } = await import("../../operations/etcd/maintain.ts");
        await host.stdout.write(alarmsText(await listAlarms(etcdFlags(host, options), host.signal), options.output));
      }),
  );
  alarm.addCommand(
    maintenanceCommand("disarm")
      .description("end the alarms whose cause is gone")
      .option("--force", "also those whose cause is still there")
      .option("--quota-backend-bytes <n>", "etcd's quota, which members before 3.6 do not report", parseBytes)
      .addHelpText("after", "\nExamples:\n  kubemend etcd alarm disarm")
      .action(async (options: EtcdOptions & Output & DisarmFlags) => {
        const { disarmAlarms } = await import("../../operations/etcd/maintain.ts");
        const { force = false, quotaBackendBytes: quota } = options;
        const wanted = { force, ...(quota === undefined ? {} : { quota }) };
        const ended = await disarmAlarms(etcdFlags(host, options), wanted, host.signal);
        await host.stdout.write(alarmsText(ended, options.output));
      }),
  );
  return alarm;
}

/** etcdctl's lines: ids are decimal in them. */
function alarmsText(
  alarms: readonly { readonly memberId: bigint; readonly type: string }[],
  output: "text" | "json",
): string {
  if (output === "json") {
    const list = alarms.map(({ memberId, type }) => ({ memberId: memberId.toString(16), alarm: type }));
    return `${JSON.stringify({ alarms: list })}\n`;
  }
  return alarms.map(({ memberId, type }) => `memberID:${memberId} alarm:${type} \n`).join("");
}

function maintenanceCommand(name: string): Command {
  const output = new Option("-o, --output <format>", "output format").choices(["text", "json"]).default("text");
  return etcdOptions(new Command(name)).addOption(output);
}

function parseRevision(text: string): number {
  const revision = Number(text);
  if (/^\d+$/.test(text) && Number.isSafeInteger(revision) && revision > 0) return revision;
  throw new InvalidArgumentError("expected a revision, such as 123456");
}
