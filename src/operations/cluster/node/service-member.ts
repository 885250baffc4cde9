/**
 * An etcd that is a unit of its own host, in a restore of the whole cluster: the unit is stopped instead of a static
 * pod. The control-plane nodes beside it take no part in the restore of its data.
 */
import type { NodeJournal } from "../../../cluster/node-facts.ts";
import type { RestorePlan } from "../../../cluster/restore-plan.ts";
import { MendError } from "../../../errors/errors.ts";
import { findEtcdService, giveTo, startEtcdService, stopEtcdService } from "../../../io/node/etcd-service.ts";
import { writeJournal } from "./journal.ts";

interface ServiceOptions {
  readonly signal: AbortSignal;
  readonly report: (text: string) => void;
}

/** Noted before it is stopped, so that it can be started again. */
export async function stopService(journal: NodeJournal, options: ServiceOptions): Promise<NodeJournal> {
  const found = await findEtcdService();
  if (found === undefined) {
    throw new MendError("not-found", "systemd has no etcd.service here", {
      hint: "see how etcd is started on this host, and use the runbook of cluster restore",
    });
  }
  const service = journal.service ?? { unit: found.unit, wasActive: found.active };
  const noted = await writeJournal({ ...journal, service });
  await stopEtcdService(service.unit, options);
  return writeJournal({ ...noted, state: "stopped" });
}

/** What a restore has written belongs to the user that etcd runs as. */
export async function giveToService({ service, dataDir }: NodeJournal): Promise<void> {
  if (service === null || dataDir === null) return;
  const owner = (await findEtcdService())?.owner;
  if (owner !== undefined) await giveTo(owner, dataDir.path);
}

/** A control-plane node has no data to restore; what its API server shows later is compared with the same revision. */
export function passRestore(journal: NodeJournal, plan: RestorePlan): Promise<NodeJournal> {
  const bump = journal.bump ?? plan.bumpRevision;
  return writeJournal({ ...journal, state: "restored", bump, revision: plan.backup.revision + bump });
}

/** First half of taking it back: no member runs while data is exchanged. */
export async function stopForUndo({ service }: NodeJournal, options: ServiceOptions): Promise<void> {
  if (service !== null) await stopEtcdService(service.unit, options);
}

/** Second half: one that was stopped before the operation stays so. */
export async function startAfterUndo({ service }: NodeJournal): Promise<void> {
  if (service?.wasActive === true) await startEtcdService(service.unit);
}
