/** Seeded histories of clusters: see `salvage-history/main.ts`, which plays ten thousand of them. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { salvage } from "../src/operations/etcd/salvage.ts";
import { startEtcd } from "./etcd-server.ts";
import { freePorts } from "./free-ports.ts";
import { findProgram, PROGRAMS_MISSING } from "./programs.ts";
import { checkSeed, type HistoryCheck, plannedKeys } from "./salvage-history/check.ts";
import { describeHistoryCheck } from "./salvage-history/describe.ts";
import { writeScenario } from "./salvage-history/on-disk.ts";

const SEEDS = 300;
const verdicts: HistoryCheck[] = [];
beforeAll(() => {
  for (let seed = 1; seed <= SEEDS; seed++) verdicts.push(checkSeed(seed));
}, 240_000);

test("nothing that a survivor holds and that was committed is lost, or it is said which entries", () => {
  const failed = verdicts.filter(({ faults }) => faults.length > 0);
  expect(failed.map(describeHistoryCheck)).toEqual([]);
});

test("the histories have what they are made for", () => {
  const classes = new Set(verdicts.flatMap((verdict) => verdict.classes));
  for (const each of [
    "joined",
    "several parts",
    "no database",
    "new identity",
    "continues as learner",
    "raft snapshot made",
    "uncommitted end",
    "lost and said: behind-a-hole",
    "said: missing",
    "said: superseded",
    "said: unproved",
    "refused",
    "whole",
  ]) {
    expect(classes).toContain(each);
  }
});

/** The first seeds of which each is an example of something that those before it are not. */
function sample(): HistoryCheck[] {
  const seen = new Set<string>();
  return verdicts.filter(({ classes, plan, scenario: { hasTerms } }) => {
    const named = classes.map((name) => `${name}${hasTerms}`);
    const isNew =
      plan !== undefined && named.some((name) => !seen.has(name) && !/ members|^continues as voter/.test(name));
    if (isNew) for (const name of named) seen.add(name);
    return isNew;
  });
}

const isHere = findProgram("bookworm", "etcd") !== undefined && findProgram("trixie", "etcd") !== undefined;

describe.skipIf(!isHere)(`a real etcd (${PROGRAMS_MISSING})`, () => {
  let directory: string;
  beforeAll(() => {
    directory = mkdtempSync(join(tmpdir(), "salvage-history-"));
  });
  afterAll(() => rmSync(directory, { recursive: true }));

  test("starts on one of each kind, and serves what the plan says", { timeout: 240_000 }, async () => {
    const chosen = sample();
    expect(chosen.length).toBeGreaterThan(5);
    const pending = [...chosen];
    const worker = async (): Promise<void> => {
      for (let verdict = pending.shift(); verdict !== undefined; verdict = pending.shift())
        await startOn(verdict, directory);
    };
    await Promise.all([worker(), worker(), worker()]);
  });
});

async function startOn({ scenario, plan }: HistoryCheck, directory: string): Promise<void> {
  const place = join(directory, String(scenario.seed));
  const dataDirs = writeScenario(scenario, place);
  const ports = (await freePorts(2)) as [number, number];
  const dataDir = join(place, "out");
  const result = await salvage(dataDirs, {
    dataDir,
    name: "alone",
    initialAdvertisePeerUrls: `http://127.0.0.1:${ports[1]}`,
  });
  const what = `seed ${scenario.seed}`;
  expect([what, result.lastIndex, result.lastTerm]).toEqual([what, plan!.last.index, plan!.last.term]);
  // Databases that do not say their last entry's term are of etcd 3.4.
  const server = await startEtcd({ suite: scenario.hasTerms ? "trixie" : "bookworm", dataDir, name: "alone", ports });
  try {
    const keys = (await server.etcdctl("get", "/k/", "--prefix", "--keys-only"))
      .split("\n")
      .filter((line) => line !== "");
    expect([what, keys]).toEqual([what, plannedKeys(scenario, plan!)]);
    await server.etcdctl("put", "/after", "salvage");
  } finally {
    await server.stop("SIGKILL");
  }
}
