/** `backup status`: each repository below an address, in a line: how far it is behind, what it can restore, when it was last tried. */
import { defined } from "../../errors/defined.ts";
import { MendError } from "../../errors/errors.ts";
import { withoutLogin } from "../../errors/secret.ts";
import { eachOf } from "../../io/repository/read-links.ts";
import { addressBelow, openStore } from "../../io/stores/open-store.ts";
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
    throw new MendError(
      "repository-not-found",
      `there is no backup repository at "${withoutLogin(address)}" or below it`,
      {
        where: withoutLogin(address),
        hint: "check the address, or make one with kubemend backup init",
      },
    );
  }
  const results = new Map<string, RepositoryStatus>();
  await eachOf(places, AT_ONCE, async (place) => {
    results.set(place.address, await judge(place, options));
  });
  return places.map(({ address: each }) => defined(results.get(each)));
}

/** Repositories at once; each asks for several objects at once in turn. */
const AT_ONCE = 16;

interface FoundPlace {
  /** Opens it again, with the options that the given address has. */
  readonly address: string;
  /** As it is shown. */
  readonly url: string;
}

async function judge({ address, url }: FoundPlace, options: StatusOptions): Promise<RepositoryStatus> {
  try {
    const list = await listBackups(address, options);
    const span = list.spans.at(-1);
    const restorableTo = span?.toTime ?? null;
    const lag = restorableTo === null ? null : Math.max(0, options.now() - Date.parse(restorableTo));
    const isLate = lag === null || lag > options.maxLagMs;
    return {
      repository: url,
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
    return { repository: url, error: { code: error.code, message: error.message } };
  }
}

/** By their addresses, ascending. */
async function findRepositories(address: string, options: StatusOptions): Promise<FoundPlace[]> {
  const store = await openStore(address, options);
  try {
    if (await isRepository(store)) return [{ address, url: store.url }];
    const places: FoundPlace[] = [];
    await eachOf(await store.folders(), AT_ONCE, async (name) => {
      const below = addressBelow(address, name);
      const inner = await openStore(below, options);
      try {
        if (await isRepository(inner)) places.push({ address: below, url: inner.url });
      } finally {
        await inner.close();
      }
    });
    return places.sort((a, b) => (a.url < b.url ? -1 : 1));
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
