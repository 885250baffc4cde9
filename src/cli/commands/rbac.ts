import { InvalidArgumentError } from "commander";
import { MendError } from "../../errors/errors.ts";
import { argument, defineCommand } from "../options/define-command.ts";
import { parsed, words } from "../options/flag.ts";
import { outputFlag } from "../options/output-flags.ts";
import { API_RULES, type Rule } from "../permissions/api-rules.ts";
import { ETCD_NEEDS, type EtcdNeed } from "../permissions/etcd-needs.ts";
import { type RoleManifest, roleManifests, type Subject } from "../permissions/role-manifests.ts";
import { yamlText } from "../reports/object-text.ts";
import { likelyMeant } from "../suggestion.ts";
import { lineOf } from "../terminal/escape.ts";
import { tableText } from "../terminal/table.ts";

const NAMES: readonly string[] = [...new Set([...Object.keys(API_RULES), ...Object.keys(ETCD_NEEDS)])].sort();

export const rbacCommand = defineCommand({
  name: "rbac",
  text: "the least rights that a command needs, as roles to apply",
  args: {
    command: argument("[command...]", "such as node drain; a list of all unless given", async ({ args }) =>
      NAMES.map((each) => each.split(" "))
        .filter((each) => args.every((word, i) => each[i] === word))
        .flatMap((each) => each[args.length] ?? []),
    ),
  },
  flags: {
    name: words("--name <name>", "of the roles (default: kubemend- and the command)"),
    user: words("--user <name>", "bind the roles to this user"),
    group: words("--group <name>", "bind the roles to this group"),
    account: parsed("--service-account <namespace/name>", "bind the roles to it", serviceAccount),
    output: outputFlag(["yaml", "json"]),
  },
  examples: [
    "kubemend rbac node drain --group ops | kubectl apply -f -",
    "kubemend rbac diagnose --service-account monitoring/kubemend",
    "kubemend rbac",
  ],
  notes: `Commands that only read a snapshot or this machine need no rights in a cluster. What a command lacks at run time it
names (error api-denied). What commands need that go to etcd itself is printed as comments: it matters only where etcd
has authentication enabled.`,
  page: "docs/permissions.md",
  async run({ command }, { name, user, group, account, output }, { host }) {
    if (command.length === 0) {
      const rows = NAMES.map((each) => [each, summary(API_RULES[each], ETCD_NEEDS[each])]);
      await host.stdout.write(tableText(rows, { width: host.stdout.columns }));
      return;
    }
    const typed = command.join(" ");
    if (!NAMES.includes(typed)) throw unknownCommand(typed);
    const subjects: Subject[] = [
      ...(user === undefined ? [] : [{ kind: "User" as const, name: user }]),
      ...(group === undefined ? [] : [{ kind: "Group" as const, name: group }]),
      ...(account === undefined ? [] : [account]),
    ];
    const manifests = roleManifests(name ?? `kubemend-${command.join("-")}`, API_RULES[typed] ?? [], subjects);
    if (output === "json") {
      const items = manifests.map(({ manifest }) => manifest);
      await host.stdout.write(`${JSON.stringify({ apiVersion: "v1", kind: "List", items })}\n`);
      return;
    }
    for (const line of etcdLines(ETCD_NEEDS[typed])) await host.stdout.write(lineOf`# ${line}`);
    await host.stdout.write(manifests.map(manifestText).join("---\n"));
  },
});

function summary(rules: readonly Rule[] | undefined, etcd: EtcdNeed | undefined): string {
  const verbs = new Set((rules ?? []).flatMap((rule) => rule.verbs));
  const changes = [...verbs].filter((verb) => !["get", "list", "watch"].includes(verb));
  const cluster = rules === undefined ? [] : [changes.length === 0 ? "reads" : `reads; ${changes.join(", ")}`];
  return [...cluster, ...(etcd === undefined ? [] : [`etcd: ${ETCD_WORDS[etcd]}`])].join("; ");
}

const ETCD_WORDS: Readonly<Record<EtcdNeed, string>> = {
  root: "the role root",
  read: "a role that reads the keys",
  none: "any user",
};

function etcdLines(need: EtcdNeed | undefined): string[] {
  switch (need) {
    case undefined:
      return [];
    case "none":
      return ["etcd, where it has authentication enabled: any user"];
    case "root":
      return ["etcd, where it has authentication enabled:", "  etcdctl user grant-role NAME root"];
    case "read":
      return [
        "etcd, where it has authentication enabled:",
        "  etcdctl role add kubemend-read",
        "  etcdctl role grant-permission kubemend-read --prefix=true read /",
        "  etcdctl user grant-role NAME kubemend-read",
      ];
  }
}

/** YAML, each rule of a role below its reason. */
function manifestText({ manifest, reasons }: RoleManifest): string {
  const { rules, ...rest } = manifest;
  if (!Array.isArray(rules)) return yamlText(manifest);
  const blocks = rules.map((rule, i) => `  # ${reasons[i]}\n${yamlText([rule]).replace(/^/gm, "  ").trimEnd()}\n`);
  return `${yamlText(rest)}rules:\n${blocks.join("")}`;
}

function serviceAccount(text: string): Subject {
  const [, namespace, name] = /^([^/]+)\/([^/]+)$/.exec(text) ?? [];
  if (namespace === undefined || name === undefined)
    throw new InvalidArgumentError("expected NAMESPACE/NAME of a service account");
  return { kind: "ServiceAccount", namespace, name };
}

function unknownCommand(typed: string): MendError {
  const meant = likelyMeant(typed, NAMES);
  return new MendError("usage", `"${typed}" needs no rights in a cluster, or is no command`, {
    hint: `${meant === undefined ? "" : `did you mean "${meant}"? or `}see those that do with kubemend rbac`,
  });
}
