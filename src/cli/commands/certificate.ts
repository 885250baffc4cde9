/** `kubemend certificate …`: certificates of this machine. One file a subcommand. */
import { defineGroup } from "../options/define-command.ts";
import { certificateIssue } from "./certificate-issue.ts";
import { certificateList } from "./certificate-list.ts";
import { certificateRenew } from "./certificate-renew.ts";

export const certificateGroup = defineGroup({
  name: "certificate",
  text: "certificates of this machine",
  page: "docs/certificates.md",
  commands: [certificateList, certificateRenew, certificateIssue],
});
