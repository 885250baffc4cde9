/** What the pure folders import of Node's own modules, for browsers. */

/** `node:vm`: the sources are kubemend's own, made from its tables. A page whose policy forbids `unsafe-eval` cannot decode. */
export function compileFunction(code: string, names: readonly string[]): (...values: unknown[]) => unknown {
  return new Function(...names, code) as (...values: unknown[]) => unknown;
}

/** `node:vm` again, for computations that end in time: nothing in a page can end one that goes on, so here it goes on. */
export const createContext = <T extends object>(box: T): T => box;

export class Script {
  runInContext(box: { readonly run?: () => unknown }): unknown {
    return box.run?.();
  }
}

/** `node:crypto`: the browser's entry decrypts nothing, and so calls none of these. */
export const createCipheriv = undefined;
export const createDecipheriv = undefined;
export const randomBytes = undefined;
