import { resolve } from "node:path";
import { MendError } from "../../errors/errors.ts";
import type { RotateResult } from "../../operations/backup/rotate.ts";
import { jsonLine } from "../json-outputs.ts";
import { REPOSITORY_ARGUMENT, SIGNING_KEY_FLAG, writeAccess } from "../options/backup-flags.ts";
import { defineCommand } from "../options/define-command.ts";
import { path, repeated } from "../options/flag.ts";
import { resultFlags } from "../options/output-flags.ts";

export const backupRotate = defineCommand({
  name: "rotate",
  text: "replace the keys of a repository: who can add to it, and who can read what is added from now on",
  args: { repository: REPOSITORY_ARGUMENT },
  flags: {
    ...resultFlags(["text", "json"]),
    signingKey: SIGNING_KEY_FLAG,
    newSigningKey: path("--new-signing-key <file>", "where the new signing key goes", { required: true }),
    identity: path("--identity <file>", "the identity until now: the new one opens what it opens, too"),
    newIdentity: path("--new-identity <file>", "where a new identity goes"),
    recipient: repeated("--recipient <age1...>", "who can read it from now on, instead of or besides the new identity"),
  },
  examples: [
    `kubemend backup rotate /mnt/backup/prod --signing-key prod.key --new-signing-key prod-2.key \\
  --identity prod.identity --new-identity prod-2.identity`,
  ],
  notes: `Agents that have the former key stop and say so. Give each of them the new one: they continue where the
repository ends, and take a full. Without --new-identity and --recipient, who can read stays as it is.`,
  page: "docs/back-up-continuously.md",
  async run({ repository }, flags, { host }) {
    const { identity, newIdentity, recipient } = flags;
    if (identity !== undefined && newIdentity === undefined) {
      throw new MendError("usage", "--identity is for a new identity file, and none is given", {
        hint: "pass --new-identity FILE too, or leave --identity out",
      });
    }
    const { rotateKeys } = await import("../../operations/backup/rotate.ts");
    const at = (file: string | undefined): string | undefined =>
      file === undefined ? undefined : resolve(host.cwd, file);
    const result = await rotateKeys(repository, {
      ...writeAccess(host, flags.signingKey),
      newSigningKeyFile: resolve(host.cwd, flags.newSigningKey),
      newIdentityFile: at(newIdentity),
      identityFile: at(identity),
      recipients: recipient,
    });
    await host.stdout.write(flags.output === "json" ? jsonLine("backup rotate", result) : rotateText(result));
  },
});

function rotateText(result: RotateResult): string {
  const lines = [
    `replaced the keys of "${result.repository}" from link ${result.fromLink} on`,
    `signing key: ${result.signingKeyFile} (for each control-plane node, in place of the former one)`,
  ];
  if (result.identityFile !== null)
    lines.push(`identity:    ${result.identityFile} (keep it safe, away from the cluster)`);
  else lines.push(`add to the identity file that reads it: # signer: ${result.signer}`);
  lines.push(`signed by:   ${result.signer}`);
  lines.push(...(result.recipients ?? []).map((recipient) => `readable by: ${recipient}`));
  return `${lines.join("\n")}\n`;
}
