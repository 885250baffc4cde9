/**
 * `npm run backup:damaged`: every object of a repository is damaged, cut off, removed and swapped with each other kind
 * of object, one at a time. `verify` must name it; and every moment must come back as etcd had it, or be refused where
 * what it needs is gone: never as something else.
 */
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { MendError } from "../src/errors/errors.ts";
import { openRepository } from "../src/io/repository/repository.ts";
import { createBundler } from "../src/io/repository/write-bundles.ts";
import { openDirectoryStore } from "../src/io/stores/directory-store.ts";
import { pruneRepository } from "../src/operations/backup/prune.ts";
import { verifyBackups } from "../src/operations/backup/verify.ts";
import { openSnapshot } from "../src/snapshot/open-snapshot.ts";
import { readKeyspace } from "../src/snapshot/read-keyspace.ts";
import { type BackupPlace, listed } from "../test/backup/agent.ts";
import { lineOf, random, recordHistory } from "../test/backup/recorded-history.ts";
import { recordBackups } from "../test/reliability.ts";

const { values } = parseArgs({
  options: {
    rounds: { type: "string", default: "45" },
    seed: { type: "string", default: "1" },
    record: { type: "boolean", default: false },
  },
});
const directory = mkdtempSync(join(tmpdir(), "kubemend-damaged-"));
const next = random(Number(values.seed));
const counts = { damages: 0, restored: 0, refused: 0 };
const failures: string[] = [];

function objectsOf(place: BackupPlace): string[] {
  const names = readdirSync(place.repository, { recursive: true, encoding: "utf8" });
  return names.filter((name) => statSync(join(place.repository, name)).isFile()).sort();
}

/** What `verify` finds: the places of errors; of a repository that cannot be opened the error's own. */
async function found(place: BackupPlace, tip: { sequence: number; hash: string }): Promise<string> {
  const access = { env: {}, cwd: directory, now: Date.now, identityFile: place.identity, knownTip: tip };
  try {
    const { findings } = await verifyBackups(place.repository, access);
    return findings.map(({ level, where, text }) => `${level} ${where} ${text}`).join("\n");
  } catch (error) {
    if (error instanceof MendError && error.code !== "internal") return `error ${error.where ?? ""} ${error.message}`;
    throw error;
  }
}

/** The keyspace at a moment, or the code of the error. */
async function restored(place: BackupPlace, revision: number): Promise<{ text?: string; code?: string }> {
  const moments = { env: {}, cwd: directory, now: Date.now, identityFile: place.identity, prove: true };
  try {
    using snapshot = await openSnapshot(`${place.repository}@${revision}`, { moments });
    const keyspace = await readKeyspace(snapshot);
    return { text: Array.from(keyspace.entries(), lineOf).join("\n") };
  } catch (error) {
    if (error instanceof MendError && error.code !== "internal") return { code: error.code };
    throw error;
  }
}

const pki = join(directory, "pki");
mkdirSync(pki, { recursive: true });
writeFileSync(join(pki, "ca.key"), "a secret", { mode: 0o600 });
try {
  const rounds = Number(values.rounds);
  const { place, answers, newest } = await recordHistory(directory, {
    rounds,
    seed: Number(values.seed),
    nodeFiles: [pki],
    fullEvery: Math.ceil(rounds / 4),
  });
  // Some links in bundles alone, some beside them, some without; what is older than three fulls is pruned.
  const repository = await openRepository(openDirectoryStore(place.repository));
  const bundler = createBundler(repository, [], [8]);
  const last = readdirSync(join(place.repository, "chain")).length;
  while ((await bundler.writeNext(1, last - 12)) !== undefined);
  for (const name of readdirSync(join(place.repository, "chain"))) {
    if (Number(name) < (3 * last) / 4) utimesSync(join(place.repository, "chain", name), 1, 1);
  }
  await pruneRepository(place.repository, {
    ...{ env: {}, cwd: directory, now: Date.now, dryRun: false },
    signingKeyFile: place.signingKey,
    policy: { last: 3 },
  });
  rmSync(join(place.repository, "reports"), { recursive: true, force: true });
  const list = await listed(place);
  const { tip } = list as unknown as { tip: { sequence: number; hash: string } };
  const span = list.spans.at(-1)!;
  const objects = objectsOf(place);
  const kindOf = (name: string): string => name.split("/")[0]!;
  console.log(`${objects.length} objects: ${[...Map.groupBy(objects, kindOf)].map(([k, v]) => `${k} ${v.length}`)}`);
  const clean = await found(place, tip);
  if (clean.includes("error")) throw new Error(clean);
  const pristine = join(directory, "pristine");
  cpSync(place.repository, pristine, { recursive: true });

  /** Whether anything is lost with the object: a bundle is a copy, and a link that is in a bundle has one. */
  const bundled = (name: string): boolean => {
    const sequence = Number(/^chain\/(\d+)$/.exec(name)?.[1] ?? 0);
    const ranges = objects.flatMap((each) => {
      const [, from, to] = /^bundles\/(\d+)-(\d+)$/.exec(each) ?? [];
      return from === undefined ? [] : [[Number(from), Number(to)] as const];
    });
    return ranges.some(([from, to]) => from <= sequence && sequence <= to);
  };

  async function judge(name: string, how: string, mustBeNamed: boolean): Promise<void> {
    counts.damages++;
    const text = await found(place, tip);
    // What is missing at the end is named by where the chain ends now.
    const isNamed = text
      .split("\n")
      .some(
        (line) => line.startsWith("error") && (line.includes(name) || line.includes("its newest links were removed")),
      );
    if (mustBeNamed && !isNamed) failures.push(`${name} ${how}: not named:\n${text}`);
    for (const revision of [newest, span.fromRevision + Math.floor(next() * (newest - span.fromRevision))]) {
      const { text: keys, code } = await restored(place, revision);
      if (code !== undefined) counts.refused++;
      else if (keys === answers.get(revision)) counts.restored++;
      else failures.push(`${name} ${how}: revision ${revision} comes back as something else`);
      if (code !== undefined && bundled(name)) failures.push(`${name} ${how}: revision ${revision} refused: ${code}`);
    }
  }

  for (const name of objects) {
    const path = join(place.repository, name);
    const bytes = readFileSync(path);
    const isBundle = name.startsWith("bundles/");
    const place3 = [
      bytes.indexOf(0x0a) >> 1,
      bytes.indexOf(0x0a) + 40,
      Math.floor(next() * bytes.length),
      bytes.length - 2,
    ];
    for (const at of place3) {
      const changed = Buffer.from(bytes);
      changed[at]! ^= 1 << Math.floor(next() * 8);
      writeFileSync(path, changed);
      await judge(name, `byte ${at} changed`, true);
    }
    for (const size of [0, bytes.length >> 1, bytes.length - 1]) {
      writeFileSync(path, bytes.subarray(0, size));
      await judge(name, `cut off at ${size}`, name !== "repository.json" || size < bytes.length - 1);
    }
    writeFileSync(path, Buffer.concat([bytes, Buffer.from("x")]));
    await judge(name, "with a byte more", name !== "repository.json");
    rmSync(path);
    await judge(name, "removed", !isBundle && !bundled(name) && !/^(pruned\/|repository)/.test(name));
    for (const [, others] of Map.groupBy(objects, kindOf)) {
      const other = others[Math.floor(next() * others.length)]!;
      if (other === name) continue;
      writeFileSync(path, readFileSync(join(pristine, other)));
      await judge(name, `replaced with ${other}`, true);
    }
    writeFileSync(path, bytes);
    if (!existsSync(path)) throw new Error("it is back");
  }
  if ((await found(place, tip)).includes("error")) failures.push("it is not as it was");
  for (const failure of failures) console.log(failure);
  console.log(
    `${counts.damages} damages to ${objects.length} objects: ${failures.length} failures; ` +
      `${counts.restored} moments restored, ${counts.refused} refused`,
  );
  if (values.record) {
    recordBackups(
      "every object of a repository damaged, cut off, removed, replaced",
      `npm run backup:damaged -- --rounds ${values.rounds} --seed ${values.seed}`,
      `${counts.damages} damages to ${objects.length} objects: ${counts.restored} moments restored, ` +
        `${counts.refused} refused; ${failures.length === 0 ? "no" : failures.length} failures`,
    );
  }
  process.exitCode = failures.length === 0 ? 0 : 1;
} finally {
  rmSync(directory, { recursive: true, force: true });
}
