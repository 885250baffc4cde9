import { MendError } from "../../errors/errors.ts";
import type { InitResult } from "../../operations/backup/init.ts";
import { jsonLine } from "../json-outputs.ts";
import { REPOSITORY_ARGUMENT } from "../options/backup-flags.ts";
import { defineCommand } from "../options/define-command.ts";
import { path, repeated, toggle } from "../options/flag.ts";
import { resultFlags } from "../options/output-flags.ts";

export const backupInit = defineCommand({
  name: "init",
  text: "make a repository, the key that adds to it, and the identity that opens it",
  args: { repository: REPOSITORY_ARGUMENT },
  flags: {
    ...resultFlags(["text", "json"]),
    signingKey: path("--signing-key <file>", "where the new signing key goes", { required: true }),
    identity: path("--identity <file>", "where a new identity goes"),
    recipient: repeated("--recipient <age1...>", "who can read it, instead of or besides the new identity"),
    unencrypted: toggle(
      "--unencrypted",
      "let everybody read it who can read the store: every secret of the cluster is in it",
    ),
  },
  examples: [
    "kubemend backup init /mnt/backup/prod --signing-key prod.key --identity prod.identity",
    `kubemend backup init /mnt/backup/prod --signing-key prod.key \\
  --recipient age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p`,
  ],
  notes: `Two files are written. The signing key goes to each control-plane node: who has it can add backups. The identity
opens them: keep it where you keep what must not be lost, and never on the nodes. Without it nobody can read the
backups.`,
  page: "docs/back-up-continuously.md",
  async run({ repository }, flags, { host }) {
    const { identity, recipient, unencrypted } = flags;
    if (unencrypted && (identity !== undefined || recipient.length > 0)) {
      throw new MendError("usage", "--unencrypted excludes --identity and --recipient", {
        hint: "leave --unencrypted out to have the repository encrypted",
      });
    }
    if (!unencrypted && identity === undefined && recipient.length === 0) {
      throw new MendError("usage", "nobody could read this repository", {
        hint: "pass --identity FILE to have an identity made, --recipient age1... for one that you have, or --unencrypted",
      });
    }
    const { initRepository } = await import("../../operations/backup/init.ts");
    const { env, cwd, now, signal } = host;
    const result = await initRepository(repository, {
      env,
      cwd,
      now,
      signal,
      signingKeyFile: flags.signingKey,
      identityFile: identity,
      recipients: recipient,
      unencrypted,
    });
    await host.stdout.write(flags.output === "json" ? jsonLine("backup init", result) : initText(result));
  },
});

function initText(result: InitResult): string {
  const lines = [
    `made the repository ${result.id} at "${result.repository}"`,
    `signing key: ${result.signingKeyFile} (for each control-plane node)`,
  ];
  if (result.identityFile !== null) {
    const advice = "keep it safe, away from the cluster: without it nothing can be restored";
    lines.push(`identity:    ${result.identityFile} (${advice})`);
  }
  lines.push(`signed by:   ${result.signer}`);
  if (result.recipients === null) lines.push("not encrypted: whoever can read the store reads every secret");
  else lines.push(...result.recipients.map((recipient) => `readable by: ${recipient}`));
  if (!result.exclusive) {
    lines.push("the store does not refuse a second object of the same name: let one agent alone write to it");
  }
  return `${lines.join("\n")}\n`;
}
