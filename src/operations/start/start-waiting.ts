/** Waiting during a start: for every change, with what is in the way told as it comes up, and an end to it. */
import type { Observation } from "../../bootstrap/pivot.ts";
import { MendError } from "../../errors/errors.ts";
import { ApiError, isConnectionError } from "../../io/api-server/cluster-api.ts";
import type { ClusterView } from "./cluster-view.ts";
import type { Start } from "./start-state.ts";

const TICK_MS = 1000;
/** What is still waited for is told again after this. */
export const REPEAT_MS = 15_000;
/** After this an API server that was there before us counts as lost. */
const LOST_MS = 30_000;

/** Judges every change, and every second, until nothing is in the way. */
export async function waitUntil(
  start: Start,
  view: ClusterView,
  judge: (look: Observation) => Promise<string[]>,
): Promise<void> {
  const { now, signal } = start.options;
  const waiting = waitingLine(start);
  let unreachableSince: number | undefined;
  for (;;) {
    const look = view.look();
    if (view.live.reachable) unreachableSince = undefined;
    else unreachableSince ??= now();
    if (unreachableSince !== undefined && now() - unreachableSince > LOST_MS) throwIfLost(start, view.live.trouble);
    const inTheWay =
      look === undefined
        ? ["the cluster's objects"]
        : unreachableSince !== undefined
          ? ["the API server to answer"]
          : await judgeCalmly(judge, look);
    if (inTheWay.length === 0) return;
    waiting(inTheWay);
    await view.live.changed(TICK_MS, signal);
  }
}

/** One that answers, and for so long does not know us, will not; and one that was not ours to start will not come back by us. */
function throwIfLost({ pods, plan }: Start, trouble: unknown): void {
  if (trouble instanceof ApiError && (trouble.status === 401 || trouble.status === 403)) throw trouble;
  if (pods.length === plan.pods.length) return;
  throw new MendError("api-unreachable", "the API server that answered at first does so no longer", {
    hint: "start again: it will bring up a temporary one",
    cause: trouble,
  });
}

/** An API server that goes away in the middle of a chore is waited for like anything else. */
async function judgeCalmly(judge: (look: Observation) => Promise<string[]>, look: Observation): Promise<string[]> {
  try {
    return await judge(look);
  } catch (error) {
    if (isConnectionError(error) || error instanceof ApiError) return [(error as MendError).message];
    throw error;
  }
}

/** Tells what is waited for when it comes up, and all of it again now and then; throws `timeout` when the time is up. */
export function waitingLine({ options, deadline }: Start): (waiting: readonly string[]) => void {
  let told: readonly string[] = [];
  let at = 0;
  return (waiting) => {
    const now = options.now();
    if (now > deadline) {
      throw new MendError(
        "timeout",
        `the control plane did not come up in ${Math.round(options.timeoutMs / 1000)} s; waiting for:\n${waiting.join("\n")}`,
        { hint: "mend what is in the way and start again, or pass a longer --timeout" },
      );
    }
    const isDue = now - at >= REPEAT_MS;
    const news = isDue ? waiting : waiting.filter((each) => !told.includes(each));
    told = waiting;
    if (news.length === 0) return;
    if (isDue) at = now;
    for (const each of news) options.tell(`waiting for ${each}`);
  };
}
