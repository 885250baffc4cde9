/** `kubemend etcd member …`: etcdctl's commands and its output, guarded. */
import { InvalidArgumentError } from "commander";
import { MendError } from "../../errors/errors.ts";
import type { AddedMember, ChangedMember } from "../../operations/etcd/change-members.ts";
import { jsonLine } from "../json-outputs.ts";
import { argument, defineCommand, defineGroup } from "../options/define-command.ts";
import { ETCD_FLAGS, etcdFlags } from "../options/etcd-flags.ts";
import { duration, parsed, path, toggle } from "../options/flag.ts";
import { outputFlag } from "../options/output-flags.ts";
import { etcdMemberList } from "./etcd-members.ts";

const PAGE = "docs/back-up-and-restore-etcd.md";
const COMMON = { ...ETCD_FLAGS, output: outputFlag(["text", "json"]) };
const MEMBER = argument("<member>", "its id in hex, or its name");
const PEER_URLS = parsed("--peer-urls <urls>", "where the other members will reach it", parseUrls, { required: true });

const add = defineCommand({
  name: "add",
  text: "add a member, as a learner",
  args: { name: argument("<name>", "name of the new member, as its --name flag will say") },
  flags: {
    ...COMMON,
    peerUrls: PEER_URLS,
    voter: toggle("--voter", "add it as a voter at once"),
    learner: toggle("--learner", "add it as a learner (the default)"),
    manifest: path("--manifest <file>", "print its static pod, made from this one of a running member"),
  },
  examples: [
    `kubemend etcd member add m4 --peer-urls=https://10.0.0.4:2380 --endpoints https://10.0.0.1:2379 \\
  --cacert ca.crt --cert client.crt --key client.key`,
    `kubemend etcd member add m4 --peer-urls=https://10.0.0.4:2380 \\
  --manifest /etc/kubernetes/manifests/etcd.yaml > etcd-m4.yaml`,
  ],
  notes: `The member is added as a learner, which cannot take the quorum away: start it with what is printed, then promote it.
With --manifest, the static pod of the new member is printed, made from that of a running member.`,
  page: PAGE,
  async run({ name }, flags, { host }) {
    if (flags.voter && flags.learner)
      throw new MendError("usage", "--voter and --learner exclude each other", { hint: "pass one of them" });
    const { addMember } = await import("../../operations/etcd/change-members.ts");
    const { makeJoiningManifest, readEtcdManifest } = await import("../../operations/etcd/joining-manifest.ts");
    const { peerUrls, manifest, voter } = flags;
    // A file that is no manifest is found before anything is changed.
    const source = manifest === undefined ? undefined : readEtcdManifest(manifest);
    const added = await addMember(etcdFlags(host, flags), { name, peerUrls, voter }, host.signal);
    if (flags.output === "json") return host.stdout.write(changeJson(added, added.environment));
    if (source === undefined) {
      await host.stdout.write(`${changeText("added to", added)}\n${environmentText(added)}`);
    } else {
      await host.stdout.write(makeJoiningManifest(source, added));
      await host.stderr.write(changeText("added to", added));
    }
    await host.stderr.write(nextSteps(added, !voter, source !== undefined));
  },
});

const remove = defineCommand({
  name: "remove",
  text: "remove a member from the cluster, where that keeps the quorum",
  args: { member: MEMBER },
  flags: { ...COMMON, force: toggle("--force", "also where too few members answer afterwards") },
  examples: [
    "kubemend etcd member remove 8e9e05c52164694d",
    "kubemend etcd member remove m3 --endpoints https://10.0.0.1:2379",
  ],
  page: PAGE,
  async run({ member }, flags, { host }) {
    const { removeMember } = await import("../../operations/etcd/change-members.ts");
    const removed = await removeMember(etcdFlags(host, flags), { member, force: flags.force }, host.signal);
    await host.stdout.write(flags.output === "json" ? changeJson(removed) : changeText("removed from", removed));
  },
});

const update = defineCommand({
  name: "update",
  text: "give a member other peer URLs",
  args: { member: MEMBER },
  flags: { ...COMMON, peerUrls: PEER_URLS },
  examples: ["kubemend etcd member update 8e9e05c52164694d --peer-urls=https://10.0.0.9:2380"],
  page: PAGE,
  async run({ member }, flags, { host }) {
    const { updateMember } = await import("../../operations/etcd/change-members.ts");
    const updated = await updateMember(etcdFlags(host, flags), { member, peerUrls: flags.peerUrls }, host.signal);
    await host.stdout.write(flags.output === "json" ? changeJson(updated) : changeText("updated in", updated));
  },
});

const promote = defineCommand({
  name: "promote",
  text: "make a voter of a learner that has caught up",
  args: { member: MEMBER },
  flags: {
    ...COMMON,
    wait: duration("--wait <duration>", "how long to wait until it has caught up", { default: "0", least: "0" }),
  },
  examples: ["kubemend etcd member promote m4 --wait 2m"],
  page: PAGE,
  async run({ member }, flags, { host }) {
    const { promoteMember } = await import("../../operations/etcd/change-members.ts");
    let last = "";
    const onWait = (text: string): void => {
      if (text !== last) void host.stderr.write(`${text}\n`);
      last = text;
    };
    const promoted = await promoteMember(etcdFlags(host, flags), { member, wait: flags.wait, onWait }, host.signal);
    await host.stdout.write(flags.output === "json" ? changeJson(promoted) : changeText("promoted in", promoted));
  },
});

export const etcdMember = defineGroup({
  name: "member",
  text: "add, remove, update and promote members",
  page: PAGE,
  commands: [add, remove, update, promote, etcdMemberList],
});

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
      : "start it with an empty data dir, these values, and --listen-peer-urls, --listen-client-urls, " +
        "--advertise-client-urls and certificates of its own",
    ...(isLearner ? [`when it runs: kubemend etcd member promote ${memberId} --wait 5m`] : []),
  ];
  return `\nnext, for "${environment.ETCD_NAME}":\n${steps.map((step, index) => `  ${index + 1}. ${step}\n`).join("")}`;
}

function changeJson(changed: ChangedMember, environment?: AddedMember["environment"]): string {
  const { clusterId, memberId } = changed;
  const members = changed.members.map(({ id, name, peerUrls, clientUrls, isLearner }) => {
    return { id: id.toString(16), name, peerUrls, clientUrls, isLearner };
  });
  return environment === undefined
    ? jsonLine("etcd member remove, update, promote", { clusterId, memberId, members })
    : jsonLine("etcd member add", { clusterId, memberId, environment, members });
}

function parseUrls(text: string): readonly string[] {
  const urls = text.split(",").map((url) => url.trim());
  if (urls.some((url) => url === "")) throw new InvalidArgumentError("expected URLs with commas between them");
  return urls;
}
