/** The Kubernetes that end-to-end tests run, or the reason why there is none: a file of tests skips with it. */
import { describe, type TestContext, test } from "vitest";
import type { Kubernetes } from "../../testbed/kubernetes.ts";
import { kubernetesOrWhyNot } from "../../testbed/requirements.ts";

const found = await kubernetesOrWhyNot();

/** A `describe` for tests that need a cluster. Where none can be made it is skipped, and its title says why. */
export function describeWithCluster(title: string, tests: (kubernetes: Kubernetes) => void): void {
  if (typeof found === "string") describe.skip(`${title} (${found})`, () => tests(undefined as never));
  else describe(title, () => tests(found));
}

/** Skips one test for the lack of a program, such as kubemark, which is no part of a release. */
export async function needs(context: TestContext, kubernetes: Kubernetes, program: "kubemark"): Promise<void> {
  if (!(await kubernetes.has(program))) context.skip(`this Kubernetes has no ${program}`);
}

/** A test that takes many minutes: left out where `KUBEMEND_E2E` is `short`, as in CI. */
export const longTest = test.skipIf(process.env.KUBEMEND_E2E === "short");
