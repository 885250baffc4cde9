/**
 * Properties: what holds of every input, tried on many. The inputs are the same in every run, so that a test fails for
 * whoever broke it and for nobody else; with `KUBEMEND_PROPERTY_SEED=random`, or a number, they are others.
 */
import fc from "fast-check";
import { expect } from "vitest";

const SEED = 20_261_129;
const given = process.env.KUBEMEND_PROPERTY_SEED;
if (given !== "random") fc.configureGlobal({ seed: given === undefined ? SEED : Number(given) });

export { fc };

/**
 * Counts how often the premise of a property was met. Of inputs that do not meet it the property says nothing, and one
 * whose premise is hardly ever met would hold of any code.
 */
export class Premise {
  #met = 0;

  /** Whether it is met here. */
  isMet(premise: boolean): boolean {
    if (premise) this.#met++;
    return premise;
  }

  expectMet(atLeast: number): void {
    expect(this.#met, "inputs that meet the premise").toBeGreaterThanOrEqual(atLeast);
  }
}
