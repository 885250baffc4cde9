import { Command } from "commander";
import { expect, test } from "vitest";
import { ownWords } from "./runbook-words.ts";
import { likelyMeant } from "./suggestion.ts";

async function tree(): Promise<Command> {
  const program = new Command("kubemend");
  const etcd = program.command("etcd");
  etcd.command("members").option("--endpoints <urls>").option("--insecure-discovery [bool]").option("--debug");
  program.command("snapshot").command("save").option("--cacert <file>").option("-n, --namespace <name>");
  return program;
}

test.each([
  // etcdctl
  ["--endpoints=a,b member list -w table", "etcd members --endpoints=a,b -o table"],
  ["--endpoints a,b --debug member list --write-out=simple", "etcd members --endpoints a,b --debug --output=text"],
  ["member list -w simple", "etcd members -o text"],
  ["member list -wjson", "etcd members --output=json"],
  ["member add n1 --peer-urls=x", "etcd member add n1 --peer-urls=x"],
  ["endpoint health", "etcd health --only-endpoints"],
  ["endpoint status --cluster -w table", "etcd health -o table"],
  ["alarm list", "etcd alarm list"],
  ["--cacert ca.crt snapshot save backup.db", "snapshot save --cacert ca.crt backup.db"],
  ["snapshot status backup.db --write-out json", "snapshot status backup.db -o json"],
  ["defrag --cluster", "etcd defrag --cluster"],
  // kubectl
  ["drain worker-1 --ignore-daemonsets", "node drain worker-1 --ignore-daemonsets"],
  ["uncordon worker-1", "node uncordon worker-1"],
  // both
  ["help snapshot save", "snapshot save --help"],
  ["help", "--help"],
  ["version", "--version"],
  // ours stay
  ["node status -w", "node status -w"],
  ["snapshot get backup.db pods -n shop", "snapshot get backup.db pods -n shop"],
  ["--help", "--help"],
  ["--no-such-flag", "--no-such-flag"],
  ["", ""],
])("%s", async (theirs, ours) => {
  expect((await ownWords(theirs === "" ? [] : theirs.split(" "), tree)).join(" ")).toBe(ours);
});

test.each([
  ["statuz", ["status", "stats", "save"], "status"],
  ["satus", ["status", "stats"], "status"],
  ["diagnoes", ["diagnose", "drain"], "diagnose"],
  ["member", ["render", "recover", "node"], undefined],
  ["pods", ["node"], undefined],
  ["stat", ["stats", "start"], undefined],
])("%s among %j", (word, candidates, meant) => {
  expect(likelyMeant(word, candidates)).toBe(meant);
});
