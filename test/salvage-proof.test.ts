/** The proof of a salvage on a real etcd: what its revision was before an API server ran again is what a later proof compares with. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { NodeJournal } from "../src/cluster/node-facts.ts";
import { etcdStep } from "../src/operations/cluster/node/etcd-step.ts";
import { readJournal, writeJournal } from "../src/operations/cluster/node/journal.ts";
import { checkHealth } from "../src/operations/etcd/etcd-health.ts";
import { type EtcdServer, startEtcd } from "./etcd-server.ts";
import { findProgram, PROGRAMS_MISSING } from "./programs.ts";

const suites = (["bookworm", "newer"] as const).filter((suite) => findProgram(suite, "etcd"));
const JOURNAL: NodeJournal = {
  id: "salvage-1",
  state: "etcd-started",
  digest: "d",
  snapshot: null,
  manifests: null,
  made: [],
  dataDir: null,
  revision: null,
  bump: null,
  leads: true,
  service: null,
};

test.skipIf(suites.length === 0).each(suites)(
  `%s (${PROGRAMS_MISSING}): noted while nothing but etcd runs`,
  async (suite) => {
    const directory = mkdtempSync(join(tmpdir(), "salvage-proof-"));
    let server: EtcdServer | undefined;
    try {
      server = await startEtcd({ suite, name: "m1", dataDir: join(directory, "etcd") });
      await server.etcdctl("put", "a", "1");
      const { clusterId } = await checkHealth({ endpoints: [server.endpoint], timeout: 5000 });
      await writeJournal(JOURNAL, directory);
      const prove = (isAlone: boolean) =>
        etcdStep(
          readJournal(JOURNAL.id, directory),
          "prove-members",
          {
            id: JOURNAL.id,
            clientUrls: [server?.endpoint ?? ""],
            names: ["m1"],
            peerUrls: [],
            salvaged: { clusterId, lastIndex: 1, isAlone },
          },
          { report: () => {} },
          directory,
        );
      expect(await prove(true)).toEqual({ members: ["m1"], revision: 2 });
      expect(readJournal(JOURNAL.id, directory)).toEqual({ ...JOURNAL, revision: 2 });
      // A run that continues when API servers run: what they have written since stays newer than what was noted.
      await server.etcdctl("put", "a", "2");
      expect(await prove(false)).toEqual({ members: ["m1"], revision: 3 });
      expect(readJournal(JOURNAL.id, directory).revision).toBe(2);
    } finally {
      await server?.stop("SIGKILL");
      rmSync(directory, { recursive: true });
    }
  },
);
