import packageJson from "../../../package.json" with { type: "json" };
import { CLUSTER_FLAGS, clusterFlags } from "../options/cluster-flags.ts";
import { defineCommand } from "../options/define-command.ts";
import { duration, path, toggle } from "../options/flag.ts";
import { withFlags } from "../options/input-flags.ts";
import { YES_FLAG } from "../options/output-flags.ts";
import { confirm } from "../terminal/confirm.ts";
import { lineOf } from "../terminal/escape.ts";

export const supportBundleCommand = defineCommand({
  name: "support-bundle",
  text: "facts about this machine and its cluster for somebody who helps, without secrets",
  flags: {
    ...CLUSTER_FLAGS,
    out: path("--out <file>", "also write it there, after you have seen it"),
    keepNames: toggle("--keep-names", "keep the names of machines and their addresses"),
    probeTimeout: duration("--probe-timeout <duration>", "for one probe", { default: "3s" }),
    yes: YES_FLAG,
  },
  examples: ["sudo kubemend support-bundle", "sudo kubemend support-bundle --out bundle.json"],
  notes: `Prints JSON: versions, the control plane's flags, the state of certificates, and what diagnose finds. Keys, tokens and
passwords are hidden, and the names of machines and addresses are replaced. Nothing is sent anywhere: read it before you
give it to anybody.`,
  page: "docs/diagnose.md",
  async run(_, flags, { host }) {
    const { gatherSupportBundle, writeSupportBundle } = await import(
      "../../operations/support-bundle/support-bundle.ts"
    );
    const bundle = await gatherSupportBundle({
      cluster: clusterFlags(host, flags),
      etcd: undefined,
      deadlineMs: flags.probeTimeout,
      signal: host.signal,
      now: host.now,
      version: packageJson.version,
      keepNames: flags.keepNames,
    });
    const text = withFlags(`${JSON.stringify(bundle, null, 2)}\n`);
    await host.stdout.write(text);
    if (flags.out === undefined) return;
    if (!(await confirm(host, flags.yes, `Write this to ${flags.out}?`))) {
      await host.stderr.write("nothing was written\n");
      return;
    }
    await writeSupportBundle(flags.out, text);
    await host.stderr.write(lineOf`written to ${flags.out}`);
  },
});
