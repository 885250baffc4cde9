/** Opens a repository to add to it. */
import { readTextFile } from "../../io/files/read-file.ts";
import { type Appender, createAppender } from "../../io/repository/append.ts";
import { readLinks, trusted } from "../../io/repository/read-links.ts";
import { type Link, openRepository, type Repository } from "../../io/repository/repository.ts";
import { openStore } from "../../io/stores/open-store.ts";
import type { StoreOptions } from "../../io/stores/store-options.ts";
import { parseSigningKey, type SigningKey } from "../../repository/signing.ts";

export interface WriteAccess extends StoreOptions {
  /** Of the PEM file that `backup init` wrote. */
  readonly signingKeyFile: string;
  /** The name of who writes, such as the node's. */
  readonly writer: string;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  /** A rotation that was interrupted is being finished. */
  readonly isRotating?: boolean;
  /** Called with the place of a link that is damaged, which is passed over. */
  readonly onUnusable?: (where: string) => void;
}

export interface WritableRepository {
  readonly repository: Repository;
  readonly key: SigningKey;
  readonly appender: Appender;
  /** Those that can be trusted, ascending, as they were when it was opened. */
  readonly links: readonly Link[];
}

export async function openForWriting(address: string, access: WriteAccess): Promise<WritableRepository> {
  const key = readSigningKey(access.signingKeyFile);
  const store = await openStore(address, access);
  try {
    const repository = await openRepository(store);
    const found = await readLinks(repository);
    const links = trusted(repository, found.links);
    // The chain continues behind the last link that can be trusted; what is damaged behind it is passed over when the next one is written.
    const appender = createAppender(repository, links, { ...access, key });
    await appender.catchUp();
    return { repository, key, appender, links };
  } catch (error) {
    await store.close();
    throw error;
  }
}

export function readSigningKey(path: string): SigningKey {
  return parseSigningKey(readTextFile(path), path);
}
