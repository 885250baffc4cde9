/**
 * The seed of a table that is found by hashes: another one in each run, so that nobody can make a file whose keys all have
 * the same hash. V8 seeds its numbers from the system; they are no secret, and `node:crypto` takes milliseconds to load.
 */
export function hashSeed(): number {
  return Math.floor(Math.random() * 2 ** 31);
}
