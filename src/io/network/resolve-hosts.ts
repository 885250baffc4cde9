/** Addresses of host names, as this machine resolves them: its hosts file first, then DNS. */
import { lookup } from "node:dns/promises";
import { setTimeout } from "node:timers/promises";

/** A resolver that nobody answers is given up after so long: a restore may well happen where there is no DNS. */
const PATIENCE_MS = 5000;

/** The addresses of each name; none for a name that cannot be resolved, or not in time. Never throws. */
export async function resolveHosts(names: readonly string[]): Promise<Map<string, readonly string[]>> {
  const over = new AbortController();
  const patience = setTimeout(PATIENCE_MS, [], { signal: over.signal }).catch(() => []);
  const resolved = await Promise.all(
    names.map(async (name) => {
      const found = lookup(name, { all: true }).then(
        (records) => records.map((record) => record.address),
        () => [], // why does not matter: the caller says which names could not be resolved
      );
      return [name, await Promise.race([found, patience])] as const;
    }),
  );
  over.abort();
  return new Map(resolved);
}
