/**
 * `npm run backup:moments -- --moments 1000 --rounds 160 --seed 1`: restores random revisions and times of a recorded
 * history, and compares every key, value, version and lease with what etcd answered at that revision.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { openSnapshot } from "../src/snapshot/open-snapshot.ts";
import { readKeyspace } from "../src/snapshot/read-keyspace.ts";
import { listed } from "../test/backup/agent.ts";
import { answerAt, clientOf, lineOf, random, recordHistory } from "../test/backup/recorded-history.ts";
import { startEtcd } from "../test/etcd-server.ts";
import { kubemend } from "../test/kubemend.ts";
import { recordBackups } from "../test/reliability.ts";

const { values } = parseArgs({
  options: {
    moments: { type: "string", default: "1000" },
    rounds: { type: "string", default: "160" },
    started: { type: "string", default: "10" },
    seed: { type: "string", default: "1" },
    record: { type: "boolean", default: false },
  },
});
const directory = mkdtempSync(join(tmpdir(), "kubemend-moments-"));
try {
  const seed = Number(values.seed);
  const history = await recordHistory(directory, { rounds: Number(values.rounds), seed });
  const { place, answers, moments, newest, compactions } = history;
  const list = await listed(place);
  const span = list.spans.at(-1)!;
  console.log(
    `recorded ${newest} revisions, ${compactions} compactions, ${span.deltas} deltas, ${span.fulls.length} fulls, ` +
      `${list.gaps.length} gaps, ${moments.length} moments`,
  );
  if (list.gaps.length > 0 || list.spans.length !== 1) throw new Error(`gaps: ${JSON.stringify(list)}`);
  const next = random(seed + 1);
  const access = { env: {}, cwd: directory, now: Date.now, identityFile: place.identity, prove: true };
  let [wrong, proved, byTime] = [0, 0, 0];
  for (let i = 0; i < Number(values.moments); i++) {
    const isTime = i % 2 === 1 && moments.length > 0;
    const moment = moments[Math.floor(next() * moments.length)];
    const revision =
      isTime && moment !== undefined
        ? moment.revision
        : span.fromRevision + Math.floor(next() * (newest - span.fromRevision + 1));
    const text = isTime && moment !== undefined ? new Date(moment.time).toISOString() : String(revision);
    if (isTime) byTime++;
    let equal = false;
    try {
      using snapshot = await openSnapshot(`${place.repository}@${text}`, {
        moments: {
          ...access,
          onOpened: ({ proof }) => {
            proved += proof === null ? 0 : 1;
          },
        },
      });
      const keyspace = await readKeyspace(snapshot);
      equal = Array.from(keyspace.entries(), lineOf).join("\n") === answers.get(revision);
    } catch (error) {
      console.log(`${text}: ${error instanceof Error ? error.message : String(error)}`);
    }
    if (!equal) {
      wrong++;
      console.log(`${text}: not what etcd answered at revision ${revision}`);
    }
  }
  // Some are also started: what a stock etcd answers from the data dir is what the first one answered.
  for (let i = 0; i < Number(values.started); i++) {
    const revision = span.fromRevision + Math.floor(next() * (newest - span.fromRevision + 1));
    const dataDir = join(directory, `started-${i}`);
    const outcome = await kubemend(directory, [
      ...["backup", "restore", place.repository, String(revision), "--identity", place.identity],
      ...["--data-dir", dataDir],
    ]);
    if (outcome.code !== 0) throw new Error(outcome.stderr);
    const server = await startEtcd({ suite: "trixie", dataDir });
    const client = clientOf(server.endpoint);
    try {
      if ((await answerAt(client, revision)) === answers.get(revision)) continue;
      wrong++;
      console.log(`revision ${revision}: a started etcd answers something else`);
    } finally {
      client.close();
      await server.stop("SIGKILL");
      rmSync(dataDir, { recursive: true, force: true });
    }
  }
  console.log(
    `${values.moments} moments (${byTime} by time), ${proved} proved by HashKV, ${values.started} started: ${wrong} wrong`,
  );
  if (values.record) {
    recordBackups(
      "random revisions and times of a recorded history, key by key",
      `npm run backup:moments -- --moments ${values.moments} --rounds ${values.rounds} --seed ${values.seed}`,
      `${values.moments} restored, ${byTime} of them by time, ${proved} proved by HashKV; ` +
        `${values.started} started: ${wrong === 0 ? "none" : wrong} wrong`,
    );
  }
  process.exitCode = wrong === 0 ? 0 : 1;
} finally {
  rmSync(directory, { recursive: true, force: true });
}
