import { jsonLine } from "../json-outputs.ts";
import { defineCommand } from "../options/define-command.ts";
import { ETCD_FLAGS, etcdFlags } from "../options/etcd-flags.ts";
import { duration, toggle } from "../options/flag.ts";
import { outputFlag } from "../options/output-flags.ts";
import { byteText } from "../terminal/byte-text.ts";

/** etcdctl's command and its output, guarded. */
export const etcdDefrag = defineCommand({
  name: "defrag",
  text: "give the free space of members' databases back to the disk",
  flags: {
    ...ETCD_FLAGS,
    cluster: toggle("--cluster", "every member, not only the given endpoints"),
    force: toggle("--force", "also where no quorum answers meanwhile"),
    timeout: duration("--timeout <duration>", "for one member", { default: "10m" }),
    output: outputFlag(["text", "json"]),
  },
  examples: [
    "kubemend etcd defrag --cluster --endpoints https://10.0.0.1:2379",
    "kubemend etcd defrag --endpoints https://10.0.0.2:2379",
  ],
  notes: `One member at a time, the leader last. A member answers nothing while it is defragmented: where that would leave no
quorum, nothing is done.`,
  page: "docs/back-up-and-restore-etcd.md",
  async run(_, flags, { host }) {
    const { defragment } = await import("../../operations/etcd/maintain.ts");
    const { cluster, force, timeout } = flags;
    const isJson = flags.output === "json";
    const members = await defragment(
      etcdFlags(host, flags),
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
    if (isJson) await host.stdout.write(jsonLine("etcd defrag", { members }));
  },
});
