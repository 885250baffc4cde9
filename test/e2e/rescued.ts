/** What tests expect of a rescue. */
import { expect } from "vitest";
import type { ControlPlane } from "../../testbed/control-plane.ts";
import { type Rescued, rescuePods } from "./losing.ts";

/** The permanent one works again by itself, and its rescue pod is gone. */
export async function expectMended(plane: ControlPlane, result: Rescued, ...components: string[]): Promise<void> {
  expect(result, result.stderr + result.stdout).toMatchObject({ code: 0 });
  for (const component of components) {
    expect(result.stdout).toMatch(new RegExp(`^${component} runs, and (renews its lease|is ready)\\.$`, "m"));
  }
  expect(await rescuePods(plane)).toEqual([]);
}

/**
 * It works by its rescue pod, which stays, and the permanent one cannot come back for a reason of that kind. The
 * outcome is returned; `result` is of `-o json`.
 */
// biome-ignore lint/suspicious/noExplicitAny: a plain object, as printed
export async function expectRescued(plane: ControlPlane, result: Rescued, kind: string): Promise<any> {
  expect(result, result.stderr + result.stdout).toMatchObject({ code: 1 });
  const [outcome] = JSON.parse(result.stdout).components;
  expect(outcome, result.stderr).toMatchObject({ state: "rescued", fault: { kind } });
  expect(await rescuePods(plane)).toEqual([outcome.rescuePod.name]);
  return outcome;
}
