/**
 * What etcd has acknowledged, and what may have become of the writes whose answer never came. Each key is written by
 * one writer, one write after the other; a key with a write of unknown fate is never written again.
 */
export interface Acknowledged {
  readonly key: string;
  /** Undefined where the key was removed. */
  readonly value: string | undefined;
  readonly revision: number;
}

export class Ledger {
  #writes: Acknowledged[] = [];
  /** By key: what the last write would have made of it. */
  readonly #unknown = new Map<string, string | undefined>();

  get size(): number {
    return this.#writes.length;
  }

  get lastRevision(): number {
    return Math.max(1, ...this.#writes.slice(-50).map(({ revision }) => revision));
  }

  acknowledge(write: Acknowledged): void {
    this.#writes.push(write);
  }

  unknown(key: string, value: string | undefined): void {
    this.#unknown.set(key, value);
  }

  isUnknown(key: string): boolean {
    return this.#unknown.has(key);
  }

  /**
   * What is wrong with a keyspace that is said to be of a revision: writes that were acknowledged up to it and are not
   * in it, and what nobody has written or what came later.
   */
  compare(found: ReadonlyMap<string, string>, revision: number): string[] {
    const faults: string[] = [];
    const expected = new Map<string, Acknowledged>();
    for (const write of this.#writes) {
      if (write.revision > revision) continue;
      if ((expected.get(write.key)?.revision ?? 0) < write.revision) expected.set(write.key, write);
    }
    for (const { key, value, revision: at } of expected.values()) {
      const actual = found.get(key);
      if (actual === value) continue;
      if (this.#unknown.has(key) && actual === this.#unknown.get(key)) continue;
      const what = actual === undefined ? "is not there" : value === undefined ? "is there again" : "has another value";
      faults.push(`"${key}", written at revision ${at}, ${what} at revision ${revision}`);
    }
    for (const [key, value] of found) {
      if (expected.has(key) || this.#unknown.get(key) === value) continue;
      faults.push(`"${key}" is there at revision ${revision}, and was not written up to it`);
    }
    return faults;
  }

  /** Another history begins: what it holds is what counts, and its revisions are counted again. */
  beginAgain(kvs: ReadonlyMap<string, string>, revision: number): void {
    this.#writes = [...kvs].map(([key, value]) => ({ key, value, revision }));
    this.#unknown.clear();
  }
}
