/** All that is known of one seed, for whoever looks into it. */
import type { HistoryCheck } from "./check.ts";
import { heldEntries } from "./held.ts";
import { configurationAt } from "./raft-model.ts";

export function describeHistoryCheck({ scenario, plan, refusal, faults }: HistoryCheck): string {
  const { history, survivors, seed, hasTerms } = scenario;
  const lines = [
    `seed ${seed}: ${history.committed.length} entries committed, databases ${hasTerms ? "" : "do not "}say their term`,
  ];
  lines.push(`terms of the committed entries: ${ranges(history.committed)}`);
  const { voters, learners, removed } = configurationAt(history.committed, history.committed.length);
  const names = (ids: readonly bigint[]): string =>
    ids.map((id) => history.members.find((m) => m.id === id)!.name).join(" ");
  lines.push(`voters: ${names(voters)}; learners: ${names(learners)}; removed: ${names(removed)}`);
  for (const data of survivors) {
    const { member, databases, damage } = data;
    lines.push(
      `survivor ${member.name}: term ${member.term}, commit ${member.commit}, databases ` +
        `${databases.join(" ")}, damage: ${damage.join(", ")}`,
    );
    lines.push(`  log: ${ranges(member.log)}`);
    lines.push(`  held: ${ranges([...heldEntries(data).values()])}`);
  }
  if (refusal !== undefined) lines.push(`refused: ${refusal.message}`);
  if (plan !== undefined) {
    lines.push(
      `plan: database ${plan.database?.database.path ?? "none"}, last ${plan.last.index} of term ${plan.last.term}, commit ${plan.commit}`,
    );
    for (const { fragment, from, to } of plan.join.parts)
      lines.push(`  ${fragment.survivor.dataDir}: ${from} to ${to}`);
    for (const { kind, from, to, survivor } of plan.losses)
      lines.push(`  ${kind}: ${from} to ${to} ${survivor?.dataDir ?? ""}`);
    for (const { text } of plan.findings) lines.push(`  ${text}`);
    for (const { dataDir, log } of plan.survivors) {
      for (const { entries, commit } of log.fragments)
        lines.push(`  read of ${dataDir}: ${ranges(entries)}, commit ${commit}`);
    }
  }
  lines.push(...faults.map((fault) => `FAULT: ${fault}`));
  return `${lines.join("\n")}\n`;
}

/** Such as `1-20 t1, 21-30 t2`. */
function ranges(entries: readonly { readonly index: number; readonly term: number }[]): string {
  const parts: { from: number; to: number; term: number }[] = [];
  for (const { index, term } of entries) {
    const last = parts.at(-1);
    if (last !== undefined && last.term === term && last.to + 1 === index) last.to = index;
    else parts.push({ from: index, to: index, term });
  }
  return parts.map(({ from, to, term }) => `${from}-${to} t${term}`).join(", ");
}
