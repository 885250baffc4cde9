/** What a bed needs of the machine, told in one sentence when it is not there: tests skip with it, the command line fails with it. */
import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";
import { findKubernetes, type Kubernetes, KubernetesMissing } from "./kubernetes.ts";

const SCRIPT = "testbed/install.sh";
const TOOLS = ["etcd", "containerd", "runc", "iptables", "ip", "nsenter", "unshare", "conntrack", "busybox", "xz"];

/** Why no bed can be made here, or undefined. */
export function whyNoBed(): string | undefined {
  if (process.platform !== "linux") return `the test bed needs Linux, and this is ${process.platform}`;
  if (process.getuid?.() !== 0) return "the test bed needs root, for network namespaces and containers";
  const missing = TOOLS.filter((tool) => programOnPath(tool) === undefined);
  if (missing.length > 0) return `the test bed needs ${missing.join(", ")}: run ${SCRIPT}`;
  return undefined;
}

/** The Kubernetes to test with, or why there is none: as a value, because a test file decides with it what to skip. */
export async function kubernetesOrWhyNot(): Promise<Kubernetes | string> {
  const why = whyNoBed();
  if (why !== undefined) return why;
  try {
    return await findKubernetes();
  } catch (error) {
    if (error instanceof KubernetesMissing) return error.message;
    throw error;
  }
}

/** Where a program is that a shell would start; undefined where there is none. */
export function programOnPath(tool: string): string | undefined {
  const path = `${process.env.PATH ?? ""}${delimiter}/usr/sbin${delimiter}/sbin`;
  const candidates = path.split(delimiter).map((directory) => join(directory, tool));
  return candidates.find((candidate) => {
    try {
      accessSync(candidate, constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}
