/** Choices by seed. */
import { type Random, seededRandom } from "../damage/mutate.ts";

export class Chance {
  readonly #random: Random;

  constructor(seed: number) {
    // Neighbouring seeds begin alike in so small a generator: their first numbers are thrown away.
    this.#random = seededRandom(Math.imul(seed, 0x9e3779b1));
    for (let i = 0; i < 8; i++) this.#random.next(2);
  }

  /** A whole number from 0 to `below` - 1. */
  below(below: number): number {
    return this.#random.next(below);
  }

  /** A whole number, both ends included. */
  between(least: number, most: number): number {
    return least + this.below(most - least + 1);
  }

  /** True in so many of a hundred cases. */
  in100(cases: number): boolean {
    return this.below(100) < cases;
  }

  of<T>(list: readonly T[]): T {
    const chosen = list[this.below(list.length)];
    if (chosen === undefined) throw new Error("there is nothing to choose from");
    return chosen;
  }

  /** By weight: a weight of 2 comes twice as often as one of 1. */
  weighted<T>(list: readonly { readonly weight: number; readonly value: T }[]): T {
    let left = this.below(list.reduce((sum, { weight }) => sum + weight, 0));
    for (const { weight, value } of list) {
      if (left < weight) return value;
      left -= weight;
    }
    throw new Error("there is nothing to choose from");
  }
}
