import { hostname } from "node:os";
import { defineCommand } from "../options/define-command.ts";
import { oneOf, path } from "../options/flag.ts";

const LEVELS = ["debug", "info", "warn", "error"] as const;

export const backupRun = defineCommand({
  name: "run",
  text: "the agent: store every change of etcd within seconds, and fulls when they are due",
  flags: {
    config: path("--config <file>", "what to keep and where", { default: "/etc/kubemend/backup.yaml" }),
    logLevel: oneOf("--log-level <level>", LEVELS, "what is logged", { default: "info" }),
  },
  examples: ["kubemend backup run --config /etc/kubemend/backup.yaml"],
  notes: `One runs on each control-plane node: one of them writes, the others stand by and take over in seconds. SIGTERM
stores what was seen until then. Each line of the log is JSON, on standard error.`,
  page: "docs/back-up-continuously.md",
  async run(_, flags, { host }) {
    const { readAgentConfig } = await import("../../operations/backup/agent/agent-config.ts");
    const { runBackupAgent } = await import("../../operations/backup/agent/agent.ts");
    const { env, cwd, signal, now } = host;
    const least = LEVELS.indexOf(flags.logLevel);
    await runBackupAgent({
      ...readAgentConfig(flags.config, env.NODE_NAME || hostname()),
      env,
      cwd,
      signal,
      now,
      clock: () => performance.now(),
      log: (level, msg, fields) => {
        if (LEVELS.indexOf(level) < least) return;
        const time = new Date(now()).toISOString();
        void host.stderr.write(`${JSON.stringify({ time, level, msg, ...fields })}\n`);
      },
    });
  },
});
