/**
 * Every command is in the matrix of `test/attack`, or it is said why not: whoever adds one that connects to something
 * adds it there.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Command } from "commander";
import { expect, test } from "vitest";
import type { CommandContext } from "../src/cli/command.ts";
import { createProgram } from "../src/cli/program.ts";
import { API_COMMANDS, type Attacked, ETCD_COMMANDS, SSH_COMMANDS } from "./attack/matrix.ts";
import { SAVING_COMMANDS, STORE_COMMANDS } from "./attack/store-commands.ts";

/** Attacked by tests of their own, because more than one thing answers them. */
const ELSEWHERE: Readonly<Record<string, string>> = {
  start: "test/attack/start.attack.ts",
  "node clean": "test/attack/nodes.attack.ts",
  "checkpoint run": "test/attack/nodes.attack.ts",
  "backup run": "test/attack/backup.attack.ts",
  "cluster apply": "test/attack/nodes.attack.ts",
};

/** They open a snapshot or a moment of a repository, as these commands of the matrix do, and connect to nothing else. */
const AS_SNAPSHOT_KEYS: ReadonlySet<string> = new Set([
  ...["status", "verify", "get", "describe", "export", "stats", "edit"].map((name) => `snapshot ${name}`),
  "objects history",
  "objects changes",
]);

/** They connect to nothing but this machine. */
const LOCAL: ReadonlySet<string> = new Set([
  "etcd salvage",
  "cluster node", // one step, asked for over ssh by the commands above
  "render",
  "checkpoint status", // the agent of this node
  "checkpoint manifests",
  "certificate list",
  "certificate renew",
  "certificate issue",
  "rbac",
  "explain",
  "completion",
  "__complete",
]);

/** Flags that name what is connected to. */
const CONNECTS = /^--(kubeconfig|endpoints|etcd-servers|ssh|ssh-command|container-runtime-endpoint|server)$/;
/** What is written into manifests, and connected to by what runs of them later. */
const WRITTEN_DOWN: ReadonlySet<string> = new Set(["render --etcd-servers", "checkpoint manifests --server"]);

interface Leaf {
  readonly name: string;
  readonly flags: readonly string[];
  readonly takesRepository: boolean;
}

async function leaves(): Promise<readonly Leaf[]> {
  const nowhere = { host: { env: {}, cwd: "/" }, exit() {} } as unknown as CommandContext;
  const walk = (command: Command, words: readonly string[]): Leaf[] =>
    command.commands.length > 0
      ? command.commands.flatMap((each) => walk(each, [...words, each.name()]))
      : [
          {
            name: words.join(" "),
            flags: command.options.flatMap(({ long }) => long ?? []),
            takesRepository: command.registeredArguments.some((each) => /repository|address/.test(each.name())),
          },
        ];
  return walk(await createProgram(nowhere, {}, undefined), []);
}

/** The words that name the command, at the beginning of what is typed. */
const inMatrix = (name: string): boolean =>
  [API_COMMANDS, ETCD_COMMANDS, SSH_COMMANDS, STORE_COMMANDS, SAVING_COMMANDS]
    .flat()
    .some(({ argv }: Attacked) => name === argv.slice(0, name.split(" ").length).join(" "));

test("every command that connects is attacked", async () => {
  const all = await leaves();
  expect(all.length).toBeGreaterThan(50);
  const missing = all.filter(
    ({ name }) => !inMatrix(name) && !(name in ELSEWHERE) && !AS_SNAPSHOT_KEYS.has(name) && !LOCAL.has(name),
  );
  expect(missing.map(({ name }) => name)).toEqual([]);
});

test("a command that is said to connect to nothing has no flag or argument that names something", async () => {
  const wrong = (await leaves())
    .filter(({ name }) => LOCAL.has(name) || AS_SNAPSHOT_KEYS.has(name))
    .flatMap(({ name, flags, takesRepository }) => [
      ...flags.filter((flag) => CONNECTS.test(flag)).map((flag) => `${name} ${flag}`),
      ...(takesRepository ? [`${name} REPOSITORY`] : []),
    ]);
  expect(wrong.filter((each) => !WRITTEN_DOWN.has(each))).toEqual([]);
});

test("every flag that names something to connect to is attacked by its command", async () => {
  const attacked = [API_COMMANDS, ETCD_COMMANDS, SSH_COMMANDS, STORE_COMMANDS, SAVING_COMMANDS].flat();
  const names = ["--kubeconfig", "--endpoints", "--etcd-servers", "--ssh-command"];
  const missing = (await leaves()).flatMap(({ name, flags }) =>
    flags
      .filter((flag) => names.includes(flag) && !(name in ELSEWHERE) && !LOCAL.has(name))
      .filter(
        (flag) =>
          !attacked.some(
            ({ argv }) =>
              name === argv.slice(0, name.split(" ").length).join(" ") && argv.some((word) => word.startsWith(flag)),
          ),
      )
      .map((flag) => `${name} ${flag}`),
  );
  // The first compares with a cluster as "snapshot restore" does, the second is another name of --etcd-servers.
  expect(missing).toEqual(["backup restore --kubeconfig", "recover --endpoints"]);
});

test("what is attacked elsewhere is there, and nothing is excused that no longer exists", async () => {
  const names = new Set((await leaves()).map(({ name }) => name));
  for (const name of [...Object.keys(ELSEWHERE), ...AS_SNAPSHOT_KEYS, ...LOCAL]) expect(names, name).toContain(name);
  for (const [name, file] of Object.entries(ELSEWHERE)) {
    const text = readFileSync(join(import.meta.dirname, "..", file), "utf8");
    expect(text, `${file} says nothing of ${name}`).toMatch(new RegExp(name.replace(" ", '(?: |", ?")')));
  }
});
