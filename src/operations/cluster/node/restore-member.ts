/** Restores this node's etcd member from the snapshot that was brought here. What was there is moved aside first, under a name that the journal holds. */
import { existsSync } from "node:fs";
import { dirname } from "node:path";
import type { NodeJournal } from "../../../cluster/node-facts.ts";
import type { PlannedMember, RestorePlan } from "../../../cluster/restore-plan.ts";
import { invariant } from "../../../errors/errors.ts";
import { contents } from "../../../io/etcd/data-dir-writer.ts";
import { realFileSystem } from "../../../io/files/file-system.ts";
import { restoreSnapshot } from "../../snapshot/restore.ts";
import { writeJournal } from "./journal.ts";

export async function restoreMember(
  journal: NodeJournal,
  plan: RestorePlan,
  member: PlannedMember,
  signal?: AbortSignal,
): Promise<NodeJournal> {
  invariant(journal.snapshot !== null, "the snapshot was received");
  const { dataDir } = member;
  const aside = `${dataDir}.before-${plan.id}`;
  const wasThere = existsSync(aside) || contents(dataDir).length > 0;
  const noted = await writeJournal({
    ...journal,
    dataDir: { path: dataDir, movedAside: wasThere ? aside : null },
  });
  if (wasThere && !existsSync(aside)) {
    realFileSystem.rename(dataDir, aside);
    realFileSystem.syncDirectory(dirname(dataDir));
  } else if (contents(dataDir).length > 0) {
    // What is there beside the old one is what a run of this same operation restored and did not note.
    realFileSystem.remove(dataDir);
  }
  const result = await restoreSnapshot(journal.snapshot, {
    dataDir,
    name: member.name,
    initialCluster: plan.initialCluster,
    initialClusterToken: plan.token,
    initialAdvertisePeerUrls: member.peerUrl,
    bumpRevision: plan.bumpRevision,
    // It was verified as a whole before it was carried here, and its SHA-256 on arrival.
    skipObjectCheck: true,
    ...(signal === undefined ? {} : { signal }),
  });
  return writeJournal({ ...noted, state: "restored", revision: result.revision });
}
