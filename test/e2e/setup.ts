/** Runs around all end-to-end tests: what an earlier run, or a test of this one that was killed, has left behind is removed. */
import { removeLeftovers } from "../../testbed/bed.ts";
import { whyNoBed } from "../../testbed/requirements.ts";

export default function setup(): () => void {
  const why = whyNoBed();
  if (why !== undefined) {
    process.stderr.write(`end-to-end tests are skipped: ${why}\n`);
    return () => {};
  }
  const left = removeLeftovers();
  if (left.length > 0) process.stderr.write(`removed what earlier runs had left: ${left.join(", ")}\n`);
  return () => void removeLeftovers();
}
