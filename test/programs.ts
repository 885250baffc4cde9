/**
 * The real programs that tests run, as `tools/install-test-programs.sh` unpacks them. A test that needs one and does not find it skips
 * with {@link PROGRAMS_MISSING} as its reason.
 */
import { existsSync } from "node:fs";
import { join } from "node:path";

/**
 * Debian's suites: etcd 3.4 in bookworm, 3.5.16 and kubectl 1.32 in trixie, the newest of both in sid. `newer` is what
 * Debian does not have yet, such as an etcd 3.6 that was built from its source: whoever has one puts it at
 * `DIR/newer/usr/bin/etcd`, and the tests of restore and salvage start it too.
 */
export type Suite = "bookworm" | "trixie" | "sid" | "newer";

export const PROGRAMS_MISSING = "etcd's programs are missing: run tools/install-test-programs.sh";

const DIRECTORY = process.env.KUBEMEND_TEST_PROGRAMS || join(import.meta.dirname, "../.cache/test-programs");

/** The path of a program, or undefined where it is not installed. */
export function findProgram(suite: Suite, name: "etcd" | "etcdctl" | "etcdutl" | "kubectl"): string | undefined {
  const path = join(DIRECTORY, suite, "usr/bin", name);
  if (existsSync(path)) return path;
  return suite === "newer" && name !== "etcd" ? findProgram("sid", name) : undefined;
}
