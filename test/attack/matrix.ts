/**
 * Every command that dials, against every misbehaviour of a hostile server: each ends in its time, with an exit code
 * that is true and a sentence that is one. Used in part by `npm test` and in whole by `npm run attack`.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { expect } from "vitest";
import { run } from "../../src/cli/run.ts";
import { encodeHeader, encodeIntent } from "../../src/objects/undo-record.ts";
import type { HostileServer } from "./hostile-server.ts";

/** What is attacked with: where it is, and how often it was dialed. */
export type Dialed = Pick<HostileServer, "url" | "connections">;

/** What a run may take in all: many times the second that each request is given. */
const MOST_MS = 45_000;

export interface Attacked {
  readonly name: string;
  /** `@` stands for the kubeconfig or the endpoint, `$OUT` for a directory of its own. */
  readonly argv: readonly string[];
  /** What it ends with; 1 unless given. */
  readonly codes?: readonly number[];
  /** What it has of the environment: `@` and `$OUT` as in the words. */
  readonly env?: Readonly<Record<string, string>>;
  /** Files that are there, by their names in `$OUT`. */
  readonly files?: Readonly<Record<string, string>>;
  /** It reports what it could not learn as its result, and not as an error. */
  readonly isReport?: boolean;
}

/** Of an interrupted `objects restore`: one object, which may have been created. */
const UNDO_FILE = [
  encodeHeader({
    cluster: "0f7e6bb5-1f6c-4a55-8d7f-1f6a3a0f6f11",
    server: "https://10.0.0.1:6443",
    started: "2026-11-29T10:00:00Z",
    serverTime: "2026-11-29T10:00:00Z",
    request: {
      file: "backup.db",
      atRevision: null,
      selection: ["configmaps"],
      namespace: null,
      selector: "",
      changed: false,
      withDependents: false,
      intoNamespace: null,
      renamed: {},
      encryptionConfig: null,
      etcdPrefix: null,
      history: null,
      identity: null,
    },
  }),
  encodeIntent({
    write: 1,
    wave: 0,
    op: "create",
    id: { path: "configmaps", namespace: "default", name: "a" },
    apiVersion: "v1",
    before: null,
  }),
  "",
].join("\n");

const BACKUP = join(import.meta.dirname, "../fixtures/kubeadm-k120/snapshot.db.gz");

/** Of the API server. */
export const API_COMMANDS: readonly Attacked[] = [
  { name: "node status", argv: ["node", "status", "--kubeconfig=@"] },
  { name: "node status NODE", argv: ["node", "status", "w1", "--kubeconfig=@"] },
  { name: "node cordon", argv: ["node", "cordon", "w1", "--kubeconfig=@"] },
  { name: "node uncordon", argv: ["node", "uncordon", "w1", "--kubeconfig=@"] },
  { name: "node drain", argv: ["node", "drain", "w1", "--force", "--ignore-daemonsets", "--kubeconfig=@"] },
  { name: "node evict", argv: ["node", "evict", "w1", "--yes", "--kubeconfig=@"] },
  { name: "node rebalance", argv: ["node", "rebalance", "w1", "--kubeconfig=@"] },
  { name: "rescue", argv: ["rescue", "scheduler", "--kubeconfig=@"] },
  { name: "recover", argv: ["recover", "--recovery-dir=$OUT/out", "--kubeconfig=@"] },
  { name: "objects diff", argv: ["objects", "diff", BACKUP, "live", "nodes", "--kubeconfig=@"] },
  { name: "diagnose", argv: ["diagnose", "--kubeconfig=@", "--probe-timeout=1s"], codes: [1, 3] },
  {
    name: "support-bundle",
    argv: ["support-bundle", "--kubeconfig=@", "--probe-timeout=1s", "--yes"],
    codes: [0],
    isReport: true,
  },
  { name: "objects restore", argv: ["objects", "restore", BACKUP, "configmaps", "-A", "--yes", "--kubeconfig=@"] },
  {
    name: "objects undo",
    argv: ["objects", "undo", "$OUT/undo", "--yes", "--kubeconfig=@"],
    files: { undo: UNDO_FILE },
  },
  // A cluster that cannot be asked is no reason not to restore: it is said.
  {
    name: "snapshot restore",
    argv: [
      "snapshot",
      "restore",
      BACKUP,
      "--data-dir=$OUT/data",
      "--name=m",
      "--initial-cluster=m=http://127.0.0.1:2380",
      "--initial-advertise-peer-urls=http://127.0.0.1:2380",
      "--kubeconfig=@",
    ],
    codes: [0],
  },
].map((each) => ({ ...each, argv: [...each.argv, "--request-timeout=1s"] }));

/** Of etcd. */
export const ETCD_COMMANDS: readonly Attacked[] = [
  { name: "etcd members", argv: ["etcd", "members"] },
  { name: "etcd members --api v2", argv: ["etcd", "members", "--api=v2"] },
  { name: "etcd health", argv: ["etcd", "health"] },
  { name: "etcd member list", argv: ["etcd", "member", "list"] },
  { name: "etcd member add", argv: ["etcd", "member", "add", "m4", "--peer-urls=http://127.0.0.1:2380"] },
  { name: "etcd member update", argv: ["etcd", "member", "update", "m2", "--peer-urls=http://127.0.0.1:2380"] },
  { name: "etcd member promote", argv: ["etcd", "member", "promote", "m2"] },
  { name: "etcd alarm disarm", argv: ["etcd", "alarm", "disarm"] },
  { name: "etcd alarm list", argv: ["etcd", "alarm", "list"] },
  { name: "etcd move-leader", argv: ["etcd", "move-leader", "m2"] },
  { name: "etcd compact", argv: ["etcd", "compact", "5"] },
  { name: "etcd defrag", argv: ["etcd", "defrag", "--timeout=1s"] },
  { name: "etcd member remove", argv: ["etcd", "member", "remove", "m2"] },
  { name: "snapshot save", argv: ["snapshot", "save", "$OUT/saved.db"] },
]
  .map((each): Attacked => ({ ...each, argv: [...each.argv, "--endpoints=@", "--command-timeout=1s"] }))
  .concat([
    { name: "recover", argv: ["recover", "--recovery-dir=$OUT/out", "--etcd-servers=@"] },
    {
      name: "diagnose",
      argv: ["diagnose", "--endpoints=@", "--probe-timeout=1s", "--command-timeout=1s"],
      codes: [1, 3],
    },
  ]);

const SSH = ["--ssh-command=@", "--node-command=kubemend"];

/** Of nodes, over ssh. */
export const SSH_COMMANDS: readonly Attacked[] = [
  { name: "cluster restore", argv: ["cluster", "restore", BACKUP, "--yes", ...SSH] },
  { name: "cluster salvage", argv: ["cluster", "salvage", "--node=a=10.0.0.1", "--yes", "--work-dir=$OUT", ...SSH] },
  {
    name: "cluster replace-node",
    argv: ["cluster", "replace-node", "a", "--to=10.0.0.2", "--node=b=10.0.0.1", "--yes", ...SSH],
  },
  { name: "cluster undo", argv: ["cluster", "undo", "restore-1", "--node=a=10.0.0.1", "--yes", ...SSH] },
  { name: "ready", argv: ["ready", "--node=a=10.0.0.1", ...SSH], codes: [1, 3], isReport: true },
];

/** The same with times that only an interruption can end. */
export function patiently(attacked: Attacked): Attacked {
  return { ...attacked, argv: attacked.argv.map((word) => word.replace(/^(--[a-z-]*timeout)=1s$/, "$1=10m")) };
}

export interface AttackOutcome {
  readonly code: number | "still running";
  readonly stdout: string;
  readonly stderr: string;
}

/** As {@link attack}, on a server that is started for it alone. */
export async function attackWith(
  start: () => Promise<Dialed & { close(): void }>,
  attacked: Attacked,
  options?: { readonly interrupted?: boolean },
): Promise<AttackOutcome> {
  const server = await start();
  try {
    return await attack(attacked, server, options);
  } finally {
    server.close();
  }
}

/** Runs the command in this process, in a directory of its own; interrupted once the server has been dialed, where that is asked for. */
export async function attack(
  { argv, env = {}, files = {} }: Attacked,
  server: Dialed,
  { interrupted = false }: { readonly interrupted?: boolean } = {},
): Promise<AttackOutcome> {
  const directory = mkdtempSync(join(tmpdir(), "kubemend-attack-"));
  try {
    const kubeconfig = join(directory, "kubeconfig");
    const config = {
      clusters: [{ name: "c", cluster: { server: server.url } }],
      contexts: [{ name: "x", context: { cluster: "c" } }],
      "current-context": "x",
    };
    writeFileSync(kubeconfig, JSON.stringify(config));
    for (const [name, text] of Object.entries(files)) writeFileSync(join(directory, name), text);
    const isApi = argv.some((word) => word.startsWith("--kubeconfig"));
    const filled = (word: string): string =>
      word.replace("@", isApi ? kubeconfig : server.url).replace("$OUT", directory);
    const variables = Object.fromEntries(Object.entries(env).map(([name, value]) => [name, filled(value)]));
    return await runIn(directory, argv.map(filled), variables, interrupted ? server : undefined);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

async function runIn(
  cwd: string,
  argv: readonly string[],
  env: Readonly<Record<string, string>>,
  interruptAt: Dialed | undefined,
): Promise<AttackOutcome> {
  const out = { stdout: "", stderr: "" };
  const sink = (name: keyof typeof out) => ({
    isTTY: false,
    columns: undefined,
    write(text: string) {
      out[name] += text;
      return Promise.resolve();
    },
  });
  const interruption = new AbortController();
  const limit = new AbortController();
  const host = {
    cwd,
    env,
    now: Date.now,
    signal: interruption.signal,
    stdout: sink("stdout"),
    stderr: sink("stderr"),
  };
  const ended = run(argv, host);
  if (interruptAt !== undefined) void interruptOnceDialed(interruptAt, interruption, limit.signal);
  const late = sleep(MOST_MS, "still running" as const, { signal: limit.signal }).catch(() => "still running" as const);
  const code = await Promise.race([ended, late]);
  limit.abort();
  return { code, ...out };
}

async function interruptOnceDialed(server: Dialed, interruption: AbortController, over: AbortSignal): Promise<void> {
  while (server.connections === 0 && !over.aborted) await sleep(5);
  await sleep(50);
  interruption.abort(new DOMException("interrupted", "AbortError"));
}

/** No words of our own mistakes, no secret, and nothing that controls a terminal. */
export function expectCleanText(all: string): void {
  expect(all).not.toMatch(/internal error|this is a bug|TypeError|RangeError|\bat file:|SECRET/);
  // biome-ignore lint/suspicious/noControlCharactersInRegex: the escape is what is looked for
  expect(all).not.toMatch(/[\u001b\u0007\u202e]/);
}

/** What nothing may say of a server that has told it nothing. */
const FALSE_CLAIMS = new RegExp(
  [
    "\\b(?:drained|cordoned|uncordoned|evicted|saved|healthy|compacted|Finished|nothing is broken|0 pods)\\b",
    "\\b(?:added to|updated in|promoted in|removed from|disarmed|deleted|serving)\\b",
  ].join("|"),
);

export function expectTrueEnd({ name, argv, codes = [1], isReport = false }: Attacked, outcome: AttackOutcome): void {
  const { code, stdout, stderr } = outcome;
  const all = `${name}: ${code}\n${stdout}${stderr}`;
  expect(codes, all).toContain(code);
  expectCleanText(all);
  if (isReport) {
    expect(stdout, all).toMatch(/unknown|NOT READY|ssh-failed|api-/);
    expect(stdout, all).not.toMatch(/^ready|\bgood\b/m);
    return;
  }
  if (codes.includes(0)) {
    expect(stderr, all).toContain("was not checked");
    return;
  }
  if (name === "diagnose") {
    // The machine may have an etcd of its own, which is well.
    const area = argv.some((word) => word.startsWith("--kubeconfig")) ? /^ *ok +API server/m : /^ *ok +etcd/m;
    expect(stdout, all).not.toMatch(area);
    return;
  }
  expect(stdout, all).not.toMatch(FALSE_CLAIMS);
  expect(stderr, all).toMatch(/^error: \S.*$/m);
}
