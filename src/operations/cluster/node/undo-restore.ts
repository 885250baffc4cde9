/** Brings this node back to what it was before an operation: the restored data goes aside, the old data and the manifests come back. */
import type { NodeJournal } from "../../../cluster/node-facts.ts";
import { comesBack, hadNoData, undoSteps } from "../../../cluster/restore-state.ts";
import { clearDeadRuns } from "../../../io/etcd/data-dir-place.ts";
import { realFileSystem } from "../../../io/files/durable/file-system.ts";
import { removeDrafts, writeJournal } from "./journal.ts";
import { takeFilesBack } from "./prepare-node.ts";
import { bringDataBack } from "./restore-member.ts";
import { untilServesPeers } from "./serves-peers.ts";
import { startAfterUndo, stopForUndo } from "./service-member.ts";
import { removeManifests, type StopOptions, startComponents } from "./stop-components.ts";

/**
 * First half: everything of the control plane stops, and the data is as it was. The manifests follow in {@link
 * finishUndo}, when all nodes have come this far, so that no old member meets a restored one.
 */
export async function undoData(
  journal: NodeJournal,
  options: { readonly signal: AbortSignal; readonly report: (text: string) => void },
): Promise<void> {
  const steps = undoSteps(journal);
  // From here on no run may continue with the operation: it would start old data among restored members.
  if (journal.state !== "undone") await writeJournal({ ...journal, state: "undoing" });
  if (steps.includes("stop") && journal.manifests !== null) await removeManifests(journal.manifests.from, options);
  if (steps.includes("service")) await stopForUndo(journal, options);
  if (!steps.includes("data")) return;
  bringDataBack(journal);
  if (journal.dataDir !== null) clearDeadRuns(realFileSystem, journal.dataDir.path, "cluster undo");
}

/** Second half: certificates and other files are as they were, the manifests come back, and the kubelet starts what it ran. */
export async function finishUndo(
  journal: NodeJournal,
  { report, signal }: Pick<StopOptions, "report" | "signal">,
): Promise<NodeJournal> {
  const { manifests } = journal;
  const steps = undoSteps(journal);
  if (steps.includes("files")) await takeFilesBack(journal, report);
  if (steps.includes("manifests")) {
    const started = await startComponents(journal, (component, file) => comesBack(journal, component, file));
    if (started.includes("etcd")) await untilServesPeers(journal, signal);
  }
  const isLeftOut = hadNoData(journal) && (steps.includes("service") || manifests?.names.includes("etcd.yaml"));
  if (isLeftOut === true) {
    const how = journal.service === null ? `its manifest stays in ${manifests?.kept}` : "it stays stopped";
    report(`etcd had no data here before: ${how}, since on an empty disk it may begin a cluster of its own`);
  } else if (steps.includes("service")) await startAfterUndo(journal);
  // It holds every secret of the cluster, and nobody continues with it.
  if (journal.snapshot !== null) realFileSystem.remove(journal.snapshot);
  removeDrafts(journal.id);
  return writeJournal({ ...journal, snapshot: null, state: "undone" });
}
