/** `kubemend certificate …`: certificates of this machine. */
import type { Command } from "commander";
import type { CommandContext } from "../command.ts";
import { issueCommand } from "./certificate-issue.ts";
import { listCommand } from "./certificate-list.ts";
import { renewCommand } from "./certificate-renew.ts";

export function registerCertificate(program: Command, context: CommandContext): void {
  const certificate = program.command("certificate").description("certificates of this machine").helpCommand(false);
  for (const make of [listCommand, renewCommand, issueCommand]) {
    certificate.addCommand(make(context).copyInheritedSettings(certificate));
  }
}
