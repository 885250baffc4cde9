/** `kubemend etcd member …`: etcdctl's commands and its output, guarded. */
import { Argument, Command, InvalidArgumentError, Option } from "commander";
import type { AddedMember, ChangedMember } from "../../operations/etcd/change-members.ts";
import type { CommandContext } from "../command.ts";
import { type EtcdOptions, etcdFlags, etcdOptions } from "../options/etcd-options.ts";
import { duration } from "../options/flag.ts";
import { etcdMembersCommand } from "./etcd-members.ts";

const ADD_EXAMPLES = `
Examples:
  kubemend etcd member add m4 --peer-urls=https://10.0.0.4:2380 --endpoints https://10.0.0.1:2379 \\
    --cacert ca.crt --cert client.crt --key client.key
  kubemend etcd member add m4 --peer-urls=https://10.0.0.4:2380 \\
    --manifest /etc/kubernetes/manifests/etcd.yaml > etcd-m4.yaml

The member is added as a learner, which cannot take the quorum away: start it with what is printed, then promote it. With --manifest, the static pod
of the new member is printed, made from that of a member that runs.`;

type Output = { readonly output: "text" | "json" };
type AddOptions = EtcdOptions &
  Output & {
    readonly peerUrls: readonly string[];
    readonly voter?: true;
    readonly learner?: true;
    readonly manifest?: string;
  };

export function etcdMemberCommand(context: CommandContext): Command {
  const member = new Command("member").description("add, remove, update and promote members").helpCommand(false);
  const list = etcdMembersCommand(context).name("list");
  const commands = [addCommand(context), removeCommand(context), updateCommand(context), promoteCommand(context), list];
  for (const command of commands) member.addCommand(command);
  return member;
}

function addCommand({ host }: CommandContext): Command {
  return memberCommand("add")
    .description("add a member, as a learner")
    .addArgument(new Argument("<name>", "name of the new member, as its --name flag will say"))
    .requiredOption("--peer-urls <urls>", "where the other members will reach it", parseList)
    .addOption(new Option("--voter", "add it as a voter at once").conflicts("learner"))
    .option("--learner", "add it as a learner (the default)")
    .option("--manifest <file>", "print its static pod, made from this one of a member that runs")
    .addHelpText("after", ADD_EXAMPLES)
    .action(async (name: string, options: AddOptions) => {
      const { addMember } = await import("../../operations/etcd/change-members.ts");
      const { makeJoiningManifest, readEtcdManifest } = await import("../../operations/etcd/joining-manifest.ts");
      const { peerUrls, manifest } = options;
      const source = manifest === undefined ? undefined : readEtcdManifest(manifest); // a file that is none is found before anything is changed
      const wanted = { name, peerUrls, voter: options.voter === true };
      const added = await addMember(etcdFlags(host, options), wanted, host.signal);
      if (options.output === "json") return host.stdout.write(changeJson(added, { environment: added.environment }));
      const isLearner = options.voter !== true;
      if (source === undefined) {
        await host.stdout.write(`${changeText("added to", added)}\n${environmentText(added)}`);
      } else {
        await host.stdout.write(makeJoiningManifest(source, added));
        await host.stderr.write(changeText("added to", added));
      }
      await host.stderr.write(nextSteps(added, isLearner, source !== undefined));
    });
}

function removeCommand({ host }: CommandContext): Command {
  return memberCommand("remove")
    .description("take a member out of the cluster, where that keeps the quorum")
    .addArgument(new Argument("<member>", "its id in hex, or its name"))
    .option("--force", "also where too few members answer afterwards")
    .addHelpText(
      "after",
      "\nExamples:\n  kubemend etcd member remove 8e9e05c52164694d\n  kubemend etcd member remove m3 --endpoints https://10.0.0.1:2379",
    )
    .action(async (member: string, options: EtcdOptions & Output & { readonly force?: true }) => {
      const { removeMember } = await import("../../operations/etcd/change-members.ts");
      const wanted = { member, force: options.force === true };
      const removed = await removeMember(etcdFlags(host, options), wanted, host.signal);
      await host.stdout.write(options.output === "json" ? changeJson(removed) : changeText("removed from", removed));
    });
}

function updateCommand({ host }: CommandContext): Command {
  return memberCommand("update")
    .description("give a member other peer URLs")
    .addArgument(new Argument("<member>", "its id in hex, or its name"))
    .requiredOption("--peer-urls <urls>", "where the other members will reach it", parseList)
    .addHelpText(
      "after",
      "\nExamples:\n  kubemend etcd member update 8e9e05c52164694d --peer-urls=https://10.0.0.9:2380",
    )
    .action(async (member: string, options: EtcdOptions & Output & { readonly peerUrls: readonly string[] }) => {
      const { updateMember } = await import("../../operations/etcd/change-members.ts");
      const wanted = { member, peerUrls: options.peerUrls };
      const updated = await updateMember(etcdFlags(host, options), wanted, host.signal);
      await host.stdout.write(options.output === "json" ? changeJson(updated) : changeText("updated in", updated));
    });
}

function promoteCommand({ host }: CommandContext): Command {
  return memberCommand("promote")
    .description("make a voter of a learner that has caught up")
    .addArgument(new Argument("<member>", "its id in hex, or its name"))
    .addOption(
      duration("--wait <duration>", "how long to wait until it has caught up", { default: "0", least: "0" }).option(),
    )
    .addHelpText("after", "\nExamples:\n  kubemend etcd member promote m4 --wait 2m")
    .action(async (member: string, options: EtcdOptions & Output & { readonly wait: number }) => {
      const { promoteMember } = await import("../../operations/etcd/change-members.ts");
      let last = "";
      const onWait = (text: string): void => {
        if (text !== last) void host.stderr.write(`${text}\n`);
        last = text;
      };
      const wanted = { member, wait: options.wait, onWait };
      const promoted = await promoteMember(etcdFlags(host, options), wanted, host.signal);
      await host.stdout.write(options.output === "json" ? changeJson(promoted) : changeText("promoted in", promoted));
    });
}

function memberCommand(name: string): Command {
  const output = new Option("-o, --output <format>", "output format").choices(["text", "json"]).default("text");
  return etcdOptions(new Command(name)).addOption(output);
}

/** etcdctl's line. */
function changeText(what: string, { memberId, clusterId }: ChangedMember): string {
  return `Member ${memberId.padStart(16, " ")} ${what} cluster ${clusterId.padStart(16, " ")}\n`;
}

/** etcdctl's lines. */
function environmentText({ environment }: AddedMember): string {
  return Object.entries(environment)
    .map(([name, value]) => `${name}=${JSON.stringify(value)}\n`)
    .join("");
}

function nextSteps({ memberId, environment }: AddedMember, isLearner: boolean, isStaticPod: boolean): string {
  const steps = [
    isStaticPod
      ? "put its certificates and this manifest onto the new node, with an empty data dir"
      : "start it with an empty data dir, these values, and --listen-peer-urls, --listen-client-urls, --advertise-client-urls and certificates of its own",
    ...(isLearner ? [`when it runs: kubemend etcd member promote ${memberId} --wait 5m`] : []),
  ];
  return `\nnext, for "${environment.ETCD_NAME}":\n${steps.map((step, index) => `  ${index + 1}. ${step}\n`).join("")}`;
}

function changeJson(changed: ChangedMember, more: Readonly<Record<string, unknown>> = {}): string {
  const { clusterId, memberId, members } = changed;
  const list = members.map(({ id, name, peerUrls, clientUrls, isLearner }) => {
    return { id: id.toString(16), name, peerUrls, clientUrls, isLearner };
  });
  return `${JSON.stringify({ clusterId, memberId, ...more, members: list })}\n`;
}

function parseList(text: string): readonly string[] {
  const urls = text.split(",").map((url) => url.trim());
  if (urls.some((url) => url === "")) throw new InvalidArgumentError("expected URLs with commas between them");
  return urls;
}
