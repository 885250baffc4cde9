/** How full nodes are, as bars. */
import type { NodeLoad } from "../../nodes/rebalance.ts";
import { byteText } from "../terminal/byte-text.ts";

const WIDTH = 20;

/** A line a node: `  worker-1  ████████░░░░░░░░░░░░  12 pods  1.6 of 4 cores, 3.1 GB of 8 GB (40%)`. */
export function loadChart(loads: readonly NodeLoad[]): string {
  const nameWidth = Math.max(0, ...loads.map(({ node }) => node.length));
  const podsWidth = Math.max(0, ...loads.map(({ pods }) => String(pods).length));
  // Where pods ask for nothing, their number is all there is to show.
  const isByPods = loads.every(({ share }) => share === 0);
  const most = Math.max(1, ...loads.map(({ pods }) => pods));
  return loads
    .map((load) => {
      const part = Math.min(1, Math.max(0, isByPods ? load.pods / most : load.share));
      const full = Math.round(part * WIDTH);
      const bar = "█".repeat(full) + "░".repeat(WIDTH - full);
      const pods = `${String(load.pods).padStart(podsWidth)} pod${load.pods === 1 ? " " : "s"}`;
      return `  ${load.node.padEnd(nameWidth)}  ${bar}  ${pods}  ${requestsText(load)}\n`;
    })
    .join("");
}

function requestsText({ requests, allocatable, share }: NodeLoad): string {
  const cores = (value: number) => String(Math.round(value * 100) / 100);
  const memory = `${byteText(Math.round(requests.memory))} of ${byteText(Math.round(allocatable.memory))}`;
  return `${cores(requests.cpu)} of ${cores(allocatable.cpu)} cores, ${memory} (${Math.round(share * 100)}%)`;
}
