/** The other places where a link is stored: an object of its own, and bundles. What is damaged in one of them may be whole in another. */
import { MendError } from "../../errors/errors.ts";
import { bundleName } from "../../repository/names.ts";
import { bundlesOf, readBundle } from "./read-links.ts";
import { type Link, type Repository, readLink } from "./repository.ts";

/** What `read` makes of a link, from the first of its copies that is whole. Throws what the first one did. */
export async function fromAnyCopy<T>(repository: Repository, link: Link, read: (copy: Link) => Promise<T>): Promise<T> {
  try {
    return await read(link);
  } catch (error) {
    if (!isDamage(error)) throw error;
    for await (const copy of otherCopies(repository, link)) {
      try {
        return await read(copy);
      } catch (next) {
        if (!isDamage(next)) throw next;
      }
    }
    throw error;
  }
}

async function* otherCopies({ store }: Repository, link: Link): AsyncGenerator<Link> {
  const { sequence, signed, object } = link;
  try {
    const own = await readLink(store, sequence);
    if (own.object !== object && own.signed.hash === signed.hash) yield own;
  } catch (error) {
    if (!isDamage(error)) throw error;
  }
  for (const range of await bundlesOf(store)) {
    if (sequence < range.from || range.to < sequence || bundleName(range) === object) continue;
    try {
      const copy = (await readBundle(store, range)).find((each) => each.sequence === sequence);
      if (copy?.signed.hash === signed.hash) yield copy;
    } catch (error) {
      if (!isDamage(error)) throw error;
    }
  }
}

function isDamage(error: unknown): boolean {
  return error instanceof MendError && (error.code === "repository-damaged" || error.code === "not-found");
}
