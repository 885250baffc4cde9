/** The moments that are being served: each with its catalog and the keys of the lists that were read last. */

import { type Catalog, readCatalog } from "../../kubeapi/catalog.ts";
import { type Clock, readClock } from "../../kubeapi/clock.ts";
import { readClusterVersion } from "../../kubeapi/cluster-version.ts";
import type { KeyspaceHistory } from "../../kubeapi/history.ts";
import type { ContentIndex } from "../../kubeapi/page/content-index.ts";
import { indexNames, type NameIndex } from "../../kubeapi/page/name-index.ts";
import { findLiveKeys, type World } from "../../kubeapi/world.ts";
import type { BackupState } from "./backup-facts.ts";

export interface WorldOptions {
  readonly history: KeyspaceHistory;
  readonly prefix: string;
  readonly showSecrets: boolean;
  readonly description: string;
  readonly now: () => number;
  /** What is known of the backup itself, for the page. */
  readonly backup: () => BackupState;
  /** Puts what users type in place of the names of inputs in texts. */
  readonly inUserTerms: (text: string) => string;
  /** Starts to index what objects hold; undefined where that is not worth it. */
  readonly startContents: () => ContentIndex | undefined;
}

export interface Worlds {
  readonly history: KeyspaceHistory;
  readonly prefix: string;
  at(revision: number): World;
  clock(): Clock;
  names(): NameIndex;
  /** Makes ready, little by little, what a search needs. */
  prepareSearch(): void;
  /** Started by whoever asks first. */
  contents(): ContentIndex | undefined;
  readonly backup: () => BackupState;
  readonly inUserTerms: (text: string) => string;
}

/** Catalogs and lists of keys that are kept. */
const MOST_CATALOGS = 8;
const MOST_LISTS = 16;

export function createWorlds(options: WorldOptions): Worlds {
  const { history, prefix, showSecrets, description, now, backup, inUserTerms, startContents } = options;
  const catalogs = createCache<{ readonly catalog: Catalog; readonly version: string | undefined }>(MOST_CATALOGS);
  const lists = createCache<Uint32Array>(MOST_LISTS);
  let clock: Clock | undefined;
  const indexing = indexNames(history, prefix);
  let names: NameIndex | undefined;
  let isPreparing = false;
  const goOn = (): void => {
    if (names !== undefined) return;
    const step = indexing.next();
    if (step.done === true) names = step.value;
  };
  const prepare = (): void => {
    goOn();
    if (names === undefined) setImmediate(prepare);
  };
  return {
    history,
    prefix,
    backup,
    inUserTerms,
    at(revision) {
      const { catalog, version } = catalogs.get(String(revision), () => ({
        catalog: readCatalog(history, revision, prefix),
        version: readClusterVersion(history, revision, prefix),
      }));
      return {
        history,
        revision,
        catalog,
        version,
        showSecrets,
        description,
        now: now(),
        liveKeys: (place, at) => lists.get(`${at} ${place}`, () => findLiveKeys(history, place, at)),
      };
    },
    clock() {
      clock ??= readClock(history, prefix);
      return clock;
    },
    names() {
      while (names === undefined) goOn();
      return names;
    },
    prepareSearch() {
      startContents();
      if (isPreparing) return;
      isPreparing = true;
      setImmediate(prepare);
    },
    contents: startContents,
  };
}

interface Cache<T> {
  get(key: string, make: () => T): T;
}

/** Keeps what was used last. */
function createCache<T>(most: number): Cache<T> {
  const kept = new Map<string, T>();
  return {
    get(key, make) {
      let value = kept.get(key);
      if (value === undefined) value = make();
      kept.delete(key);
      kept.set(key, value);
      for (const oldest of kept.keys()) {
        if (kept.size <= most) break;
        kept.delete(oldest);
      }
      return value;
    },
  };
}
