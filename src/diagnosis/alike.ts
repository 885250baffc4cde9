/**
 * Findings of one kind in great number are one finding: hundreds of nodes that are cordoned, of budgets that let
 * nothing go, of kubelets whose certificates expire. What is alike is named once, with every single one as its evidence.
 */
import { defined } from "../errors/defined.ts";
import type { Trouble } from "./trouble.ts";
import { someOf } from "./words.ts";

/** As many stand for themselves. */
const MOST_SINGLE = 5;

/** What so many of a code are, together, and what each of them is about. */
const TOGETHER: Readonly<Partial<Record<Trouble["code"], { readonly things: string; readonly are: string }>>> = {
  "node-cordoned": { things: "nodes", are: "are cordoned" },
  "budget-allows-nothing": { things: "disruption budgets", are: "never allow an eviction" },
  "budget-waits": { things: "disruption budgets", are: "allow no eviction now" },
  "quota-blocks": { things: "quotas", are: "refuse pods" },
  "webhook-without-backend": { things: "webhooks", are: "fail closed, and nobody serves them" },
  "apiservice-unavailable": { things: "aggregated APIs", are: "are not available" },
  "certificate-expires": { things: "certificates", are: "expire within 30 days" },
  "certificate-expired": { things: "certificates", are: "have expired" },
};

/** In the order of the first of each kind. Evidence and commands are those of all; a screen shows the first of them. */
export function joinAlike(troubles: readonly Trouble[]): Trouble[] {
  const kinds = Map.groupBy(troubles, ({ area, level, code }) => `${area} ${level} ${code}`);
  return [...kinds.values()].flatMap((group) => {
    const together = TOGETHER[defined(group[0]).code];
    return group.length <= MOST_SINGLE || together === undefined ? group : [joined(group, together)];
  });
}

function joined(
  group: readonly Trouble[],
  { things, are }: { readonly things: string; readonly are: string },
): Trouble {
  const first = defined(group[0]);
  // Such as `PodDisruptionBudget shop/db`, of which the kind is said already.
  const names = [...new Set(group.map(({ where }) => defined(where.split(" ").at(-1))))];
  return {
    ...first,
    where: things,
    text: `${group.length} ${things} ${are}: ${someOf(names, MOST_SINGLE)}`,
    evidence: [...new Set(group.flatMap(({ text, evidence }) => [text, ...evidence]))],
    commands: [...new Set(group.flatMap(({ commands }) => commands))],
  };
}
