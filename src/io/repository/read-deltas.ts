/** The contents of many deltas in order, those that lie side by side in a bundle with one request. */
import { defined } from "../../errors/defined.ts";
import type { ChangeVisitor, Delta } from "../../repository/delta.ts";
import { linkName } from "../../repository/names.ts";
import { freeMemory } from "../files/free-memory.ts";
import { fromAnyCopy } from "./link-copies.ts";
import { isNotFound } from "./not-found.ts";
import { type Link, type Repository, readContent, walkContent } from "./repository.ts";

const REQUEST_BYTES = 4 << 20;
/** Of all deltas that one request brings: leases that are renewed compress to a fiftieth, and several requests are ahead. */
const PLAIN_BYTES = 16 << 20;
const AHEAD = 4;

interface LinkContent {
  readonly link: Link;
  readonly content: Uint8Array;
}

/** Visits the changes of one delta, before the next is asked for. Throws as {@link walkContent} does. */
type WalkDelta = (visit: ChangeVisitor) => Omit<Delta, "changes">;

/** Throws `repository-damaged` where no copy of one is whole, `identity-missing`. */
export async function* readDeltas(repository: Repository, links: readonly Link[]): AsyncGenerator<WalkDelta> {
  for await (const contents of ahead(neighbours(links), (group) => readGroup(repository, group))) {
    for (const { link, content } of contents) {
      yield (visit) => walkContent(repository, link, content, visit);
      freeMemory(content);
    }
  }
}

/** Links that follow each other in one object, as many as one request is to bring. */
export function neighbours(links: readonly Link[]): Link[][] {
  const groups: Link[][] = [];
  let plain = 0;
  for (const link of links) {
    const { size, plainSize } = link.signed.head.content;
    const group = groups.at(-1);
    const [first, last] = [group?.[0], group?.at(-1)];
    const isNext =
      first !== undefined &&
      last !== undefined &&
      link.object === last.object &&
      link.object !== linkName(link.sequence) &&
      link.payloadAt === last.payloadAt + last.signed.head.content.size &&
      link.payloadAt + size - first.payloadAt <= REQUEST_BYTES &&
      plain + plainSize <= PLAIN_BYTES;
    plain = isNext ? plain + plainSize : plainSize;
    if (isNext) defined(group).push(link);
    else groups.push([link]);
  }
  return groups;
}

async function readGroup(repository: Repository, group: readonly Link[]): Promise<LinkContent[]> {
  const [first, last] = [defined(group[0]), defined(group.at(-1))];
  const size = last.payloadAt + last.signed.head.content.size - first.payloadAt;
  let bytes: Uint8Array | undefined;
  try {
    if (group.length > 1) bytes = await repository.store.read(first.object, { from: first.payloadAt, size });
  } catch (error) {
    if (!isNotFound(error)) throw error;
  }
  const contents: LinkContent[] = [];
  for (const link of group) {
    const at = link.payloadAt - first.payloadAt;
    const stored = bytes?.subarray(at, at + link.signed.head.content.size);
    // Each copy that is whole has the content that the signed head names.
    const content = await fromAnyCopy(repository, link, (copy) =>
      readContent(repository, copy, copy === link ? stored : undefined),
    );
    contents.push({ link, content });
  }
  return contents;
}

/** The results in order, the next few of them being worked on meanwhile. */
async function* ahead<T, R>(items: readonly T[], work: (item: T) => Promise<R>): AsyncGenerator<R> {
  const running: Promise<R>[] = [];
  const start = (i: number): void => {
    if (i >= items.length) return;
    const each = work(defined(items[i]));
    each.catch(() => {}); // thrown when its turn comes
    running.push(each);
  };
  for (let i = 0; i < AHEAD; i++) start(i);
  for (let i = 0; i < items.length; i++) {
    const result = await defined(running.shift());
    start(i + AHEAD);
    yield result;
  }
}
