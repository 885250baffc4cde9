import { Command, Option } from "commander";
import type { MemberList } from "../../operations/etcd/etcd-members.ts";
import type { CommandContext } from "../command.ts";
import { type EtcdOptions, etcdFlags, etcdOptions } from "../options/etcd-options.ts";
import { boxTable } from "../terminal/box-table.ts";
import { lineOf, oneLine } from "../terminal/escape.ts";

const EXAMPLES = `
Examples:
  kubemend etcd members --endpoints https://10.0.0.1:2379,https://10.0.0.2:2379 \\
    --cacert ca.crt --cert client.crt --key client.key
  kubemend etcd members --endpoints http://127.0.0.1:2379 -o table
  kubemend etcd members --api v2`;

interface Options extends EtcdOptions {
  readonly api: "v2" | "v3";
  readonly output: "text" | "table" | "json";
}

export function etcdMembersCommand({ host }: CommandContext): Command {
  return etcdOptions(new Command("members"))
    .description("the members of a live cluster, in etcdctl's words")
    .addOption(new Option("--api <version>", "the API to ask").choices(["v3", "v2"]).default("v3"))
    .addOption(new Option("-o, --output <format>", "output format").choices(["text", "table", "json"]).default("text"))
    .addHelpText("after", EXAMPLES)
    .action(async (options: Options) => {
      const { listMembers, listMembersV2 } = await import("../../operations/etcd/etcd-members.ts");
      const flags = etcdFlags(host, options);
      if (options.api === "v3") {
        await host.stdout.write(membersText(await listMembers(flags, host.signal), options.output));
        return;
      }
      const members = await listMembersV2(flags, host.signal);
      if (options.output === "json") {
        await host.stdout.write(`${JSON.stringify({ members })}\n`);
        return;
      }
      if (options.output === "table") {
        const rows = members.map(({ id, name, peerURLs, clientURLs, isLeader }) => [
          id,
          name === "" ? "unstarted" : "started",
          name,
          peerURLs.join(","),
          clientURLs.join(","),
          String(isLeader),
        ]);
        const head = ["ID", "Status", "Name", "Peer Addrs", "Client Addrs", "Is Leader"];
        await host.stdout.write(boxTable(head, rows));
        return;
      }
      const lines = members.map(({ id, name, peerURLs, clientURLs, isLeader }) =>
        name === ""
          ? lineOf`${id}[unstarted]: peerURLs=${peerURLs.join(",")}`
          : lineOf`${id}: name=${name} peerURLs=${peerURLs.join(",")} clientURLs=${clientURLs.join(",")} isLeader=${String(isLeader)}`,
      );
      await host.stdout.write(lines.join(""));
    });
}

function membersText(list: MemberList, format: Options["output"]): string {
  if (format === "json") return membersJson(list);
  const rows = list.members.map(({ id, name, peerUrls, clientUrls, isLearner }) => [
    id.toString(16),
    name === "" ? "unstarted" : "started",
    name,
    peerUrls.join(","),
    clientUrls.join(","),
    String(isLearner),
  ]);
  if (format === "text") return rows.map((row) => `${row.map(oneLine).join(", ")}\n`).join("");
  return boxTable(["ID", "Status", "Name", "Peer Addrs", "Client Addrs", "Is Learner"], rows);
}

/** etcdctl's JSON: 64-bit ids as numbers, what is empty left out. */
function membersJson({ header, members }: MemberList): string {
  const entries = members.map((member) => {
    const fields = [`"ID":${member.id}`];
    if (member.name !== "") fields.push(`"name":${JSON.stringify(member.name)}`);
    fields.push(`"peerURLs":${JSON.stringify(member.peerUrls)}`);
    if (member.clientUrls.length > 0) fields.push(`"clientURLs":${JSON.stringify(member.clientUrls)}`);
    if (member.isLearner) fields.push(`"isLearner":true`);
    return `{${fields.join(",")}}`;
  });
  const { clusterId, memberId, raftTerm } = header;
  return `{"header":{"cluster_id":${clusterId},"member_id":${memberId},"raft_term":${raftTerm}},"members":[${entries.join(",")}]}\n`;
}
