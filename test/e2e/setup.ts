/** Runs around all end-to-end tests: what an earlier run, or a test of this one that was killed, has left behind is removed. */
import { removeBedsOfRun, removeLeftovers } from "../../testbed/bed.ts";
import { kubernetesOrWhyNot } from "../../testbed/requirements.ts";

export default async function setup(): Promise<() => void> {
  const found = await kubernetesOrWhyNot(); // downloads it here, once, where it must be
  if (typeof found === "string") {
    process.stderr.write(`end-to-end tests are skipped: ${found}\n`);
    return () => {};
  }
  process.stderr.write(`end-to-end tests run Kubernetes ${found.version}\n`);
  const left = removeLeftovers();
  if (left.length > 0) process.stderr.write(`removed what earlier runs had left: ${left.join(", ")}\n`);
  // Ctrl-C ends this process within a millisecond, and then its workers, whatever they are at.
  process.once("exit", removeBedsOfRun);
  process.once("SIGHUP", () => process.exit(129));
  return () => void removeLeftovers();
}
