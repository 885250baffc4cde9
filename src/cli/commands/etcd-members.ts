import type { listMembersV2, MemberList } from "../../operations/etcd/etcd-members.ts";
import { defineCommand, type MakeCommand } from "../options/define-command.ts";
import { ETCD_FLAGS, etcdFlags } from "../options/etcd-flags.ts";
import { oneOf } from "../options/flag.ts";
import { outputFlag } from "../options/output-flags.ts";
import { boxTable } from "../terminal/box-table.ts";
import { lineOf, oneLine } from "../terminal/escape.ts";

/** `etcd members`, and `etcd member list` as etcdctl has it. */
export const etcdMembers = membersCommand("members", "members");
export const etcdMemberList = membersCommand("list", "member list");

function membersCommand(name: string, typed: string): MakeCommand {
  return defineCommand({
    name,
    text: "the members of a live cluster, in etcdctl's words",
    flags: {
      ...ETCD_FLAGS,
      api: oneOf("--api <version>", ["v3", "v2"], "the API to ask", { default: "v3" }),
      output: outputFlag(["text", "table", "json"]),
    },
    examples: [
      `kubemend etcd ${typed} --endpoints https://10.0.0.1:2379,https://10.0.0.2:2379 \\
  --cacert ca.crt --cert client.crt --key client.key`,
      `kubemend etcd ${typed} --endpoints http://127.0.0.1:2379 -o table`,
      `kubemend etcd ${typed} --api v2`,
    ],
    page: "docs/back-up-and-restore-etcd.md",
    async run(_, flags, { host }) {
      const { listMembers, listMembersV2 } = await import("../../operations/etcd/etcd-members.ts");
      const access = etcdFlags(host, flags);
      const text =
        flags.api === "v3"
          ? membersText(await listMembers(access, host.signal), flags.output)
          : membersV2Text(await listMembersV2(access, host.signal), flags.output);
      await host.stdout.write(text);
    },
  });
}

type Format = "text" | "table" | "json";

function membersV2Text(members: Awaited<ReturnType<typeof listMembersV2>>, format: Format): string {
  if (format === "json") return `${JSON.stringify({ members })}\n`;
  if (format === "table") {
    const rows = members.map(({ id, name, peerURLs, clientURLs, isLeader }) => [
      id,
      name === "" ? "unstarted" : "started",
      name,
      peerURLs.join(","),
      clientURLs.join(","),
      String(isLeader),
    ]);
    return boxTable(["ID", "Status", "Name", "Peer Addrs", "Client Addrs", "Is Leader"], rows);
  }
  const lines = members.map(({ id, name, peerURLs, clientURLs, isLeader }) =>
    name === ""
      ? lineOf`${id}[unstarted]: peerURLs=${peerURLs.join(",")}`
      : lineOf`${id}: name=${name} peerURLs=${peerURLs.join(",")} clientURLs=${clientURLs.join(",")} isLeader=${String(isLeader)}`,
  );
  return lines.join("");
}

function membersText(list: MemberList, format: Format): string {
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
