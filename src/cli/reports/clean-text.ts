/** What `node clean` is going to do, and what it has done, in words. */
import type { CleanPlan, CleanStep } from "../../nodes/clean-plan.ts";
import type { CleanResult } from "../../operations/clean/clean.ts";
import { byteText } from "../terminal/byte-text.ts";
import { tableText } from "../terminal/table.ts";

/** One line a step: what, how much, where. */
export function planText(plan: CleanPlan, resumes: boolean): string {
  const rows = plan.steps.map((step, i) => [`${i + 1}`, ...stepWords(step)]);
  const head = resumes ? `an earlier run continues, in "${plan.directory}"` : `everything goes to "${plan.directory}"`;
  return `${tableText(rows, { right: [0, 2] })}${head}\n`;
}

/** Names the host and what stops. */
export function questionText(plan: CleanPlan): string {
  const stops: string[] = [];
  for (const step of plan.steps) {
    if (step.step === "stop-kubelet") stops.push(`the kubelet (${step.kubelet})`);
    if (step.step === "stop-containers")
      stops.push(`${count(step.running, "running container")} of ${count(step.pods, "pod")}`);
  }
  const purges = plan.steps.some(({ step }) => step === "purge");
  const ends = stops.length === 0 ? "" : ` It stops ${stops.join(" and ")}.`;
  return `Clean node "${plan.host}"?${ends}${purges ? " What is removed is deleted for good." : ""}`;
}

export function nothingText(plan: CleanPlan): string {
  return `nothing to clean on node "${plan.host}"\n`;
}

export function resultText(result: CleanResult): string {
  const { directory, logs, backups, containers, moves, purged } = result;
  const rows: string[][] = [];
  if (logs !== null) rows.push(["container logs", logs]);
  for (const { file, revision, bytes, ok } of backups) {
    rows.push(["etcd backup", file, `revision ${revision}, ${byteText(bytes)}${ok ? "" : ", DAMAGED"}`]);
  }
  const moved = { manifests: 0, pods: 0, etcd: 0 };
  for (const { what } of moves) moved[what]++;
  const parts = [
    moved.manifests === 0 ? "" : count(moved.manifests, "manifest"),
    moved.pods === 0 ? "" : `the state of ${count(moved.pods, "pod")}`,
    moved.etcd === 0 ? "" : "etcd's data",
  ];
  const what = parts.filter((part) => part !== "").join(", ");
  rows.push([purged ? "deleted" : "moved", purged ? what : `${directory}/moved`, purged ? "" : what]);
  rows.push(["containers", `${containers.length} removed`]);
  const backup = backups.find(({ ok }) => ok);
  const next = [
    purged ? "" : "to take it back: kubemend node clean --undo\n",
    backup === undefined
      ? ""
      : `to bring the control plane back: kubemend recover --etcd-backup-file ${backup.file} ...\n`,
  ];
  return tableText(rows) + next.join("");
}

function stepWords(step: CleanStep): [what: string, size: string, where: string] {
  switch (step.step) {
    case "archive-logs":
      return [`archive ${count(step.entries, "container log")}`, byteText(step.bytes), step.directory];
    case "stop-kubelet":
      return ["stop the kubelet", "", step.kubelet];
    case "stop-containers":
      return [`stop ${count(step.running, "container")} of ${count(step.pods, "pod")}`, "", step.runtime];
    case "back-up-etcd":
      return ["back up etcd and verify it", byteText(step.bytes), step.database];
    case "remove-containers":
      return [`remove ${count(step.containers, "container")} of ${count(step.pods, "pod")}`, "", step.runtime];
    case "move-manifests":
      return [`move ${count(step.entries, "static pod manifest")}`, byteText(step.bytes), step.directory];
    case "move-pods": {
      const unmount = step.mounts === 0 ? "" : `unmount ${count(step.mounts, "volume")}, `;
      return [`${unmount}move the state of ${count(step.entries, "pod")}`, byteText(step.bytes), step.directory];
    }
    case "move-etcd":
      return ["move etcd's data", byteText(step.bytes), step.directory];
    case "purge":
      return ["delete what was moved", byteText(step.bytes), ""];
    case "start-kubelet":
      return ["start the kubelet", "", step.kubelet];
  }
}

function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? "" : "s"}`;
}
