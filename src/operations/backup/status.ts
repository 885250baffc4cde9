/** `backup status`: each repository below an address, in a line: how far it is behind, what it can restore, when it was last tried. */
import { MendError } from "../../errors/errors.ts";
import { openStore } from "../../io/stores/open-store.ts";
import type { Store } from "../../io/stores/store.ts";
import { DESCRIPTION_NAME } from "../../repository/names.ts";
import type { MomentAccess } from "../../snapshot/moment-access.ts";
import { listBackups } from "./list.ts";

export interface RepositoryStatus extends Partial<RepositoryFacts> {
  readonly repository: string;
  /** Why it could not be judged; undefined where it was. */
  readonly error?: { readonly code: string; readonly message: string };
}

interface RepositoryFacts {
  /** `late`: the newest moment is older than asked for. `gap`: there are revisions that cannot be restored. `empty`: no full yet. */
  readonly state: "good" | "late" | "gap" | "empty";
  readonly newestRevision: number | null;
  /** ISO 8601; null where it is not known. */
  readonly restorableFrom: string | null;
  readonly restorableTo: string | null;
  readonly lagSeconds: number | null;
  readonly fulls: number;
  readonly gaps: number;
  readonly storedBytes: number;
  readonly lastVerified: string | null;
  readonly lastDrill: string | null;
}

export interface StatusOptions extends MomentAccess {
  /** A repository whose newest moment is older than this is late. Milliseconds. */
  readonly maxLagMs: number;
}

/** All repositories below the address, by their names; the one at the address itself where there is one. */
export async function backupStatus(address: string, options: StatusOptions): Promise<RepositoryStatus[]> {
  const places = await findRepositories(address, options);
  if (places.length === 0) {
    throw new MendError("repository-not-found", `there is no backup repository at "${address}" or below it`, {
      where: address,
      hint: "check the address, or make one with kubemend backup init",
    });
  }
  const results: RepositoryStatus[] = [];
  for (const place of places) results.push(await judge(place, options));
  return results;
}

async function judge(place: string, options: StatusOptions): Promise<RepositoryStatus> {
  try {
    const list = await listBackups(place, options);
    const span = list.spans.at(-1);
    const restorableTo = span?.toTime ?? null;
    const lag = restorableTo === null ? null : Math.max(0, options.now() - Date.parse(restorableTo));
    const isLate = lag === null || lag > options.maxLagMs;
    return {
      repository: place,
      state: span === undefined ? "empty" : isLate ? "late" : list.gaps.length > 0 ? "gap" : "good",
      newestRevision: span?.toRevision ?? null,
      restorableFrom: list.spans.find(({ fromTime }) => fromTime !== null)?.fromTime ?? null,
      restorableTo,
      lagSeconds: lag === null ? null : Math.round(lag / 1000),
      fulls: list.spans.reduce((sum, { fulls }) => sum + fulls.length, 0),
      gaps: list.gaps.length,
      storedBytes: list.storedBytes,
      lastVerified: list.lastVerified,
      lastDrill: list.lastDrill,
    };
  } catch (error) {
    if (!(error instanceof MendError) || error.code === "internal") throw error;
    return { repository: place, error: { code: error.code, message: error.message } };
  }
}

async function findRepositories(address: string, options: StatusOptions): Promise<string[]> {
  const store = await openStore(address, options);
  try {
    if (await isRepository(store)) return [store.url];
    const places: string[] = [];
    for (const name of await store.folders()) {
      const inner = await openStore(`${store.url}/${name}`, options);
      try {
        if (await isRepository(inner)) places.push(inner.url);
      } finally {
        await inner.close();
      }
    }
    return places;
  } finally {
    await store.close();
  }
}

async function isRepository(store: Store): Promise<boolean> {
  try {
    await store.read(DESCRIPTION_NAME);
    return true;
  } catch (error) {
    if (error instanceof MendError && error.code === "not-found") return false;
    throw error;
  }
}
