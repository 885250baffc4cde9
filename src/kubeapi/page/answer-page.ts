/** The page's own questions, below `/ui/data/`. Everything that API clients ask too, it asks the API. */
import { defined } from "../../errors/defined.ts";
import type { JsonObject } from "../../kube/object.ts";
import type { ServedResource } from "../catalog.ts";
import type { Clock } from "../clock.ts";
import { ApiFailure, noSuchPath } from "../status.ts";
import type { World } from "../world.ts";
import { changes, objectHistory, objectTexts } from "./changes.ts";
import type { ContentIndex } from "./content-index.ts";
import { controlPlane } from "./control-plane.ts";
import { density } from "./density.ts";
import type { NameIndex } from "./name-index.ts";
import { objectPage } from "./object-page.ts";
import { overview } from "./overview.ts";
import { tableRows } from "./rows.ts";
import { searchContents, searchNames } from "./search.ts";

export interface PageSources {
  readonly world: World;
  readonly prefix: string;
  readonly clock: () => Clock;
  readonly names: () => NameIndex;
  readonly contents: () => ContentIndex | undefined;
  readonly prepareSearch: () => void;
  /** The revision of a moment as the page writes it. */
  readonly moment: (text: string) => number;
  /** What is known of the backup itself. */
  readonly backup: () => JsonObject & { readonly members: readonly { readonly name: string }[] };
  /** Whether there is time for more, from now on. */
  readonly budget: () => () => boolean;
}

/** `path` is what follows `/ui/data/`. Throws ApiFailure. */
export function answerPage(path: string, query: URLSearchParams, sources: PageSources): JsonObject {
  const { world, prefix, clock, names, contents, prepareSearch, moment, budget, backup } = sources;
  const number = (name: string, least: number, most: number, absent: number): number => {
    const text = query.get(name);
    const value = text === null || text === "" ? absent : Number(text);
    if (!Number.isSafeInteger(value)) throw new ApiFailure("BadRequest", `${name} is not a whole number`);
    return Math.min(most, Math.max(least, value));
  };
  const text = (name: string): string => query.get(name) ?? "";
  const target = (): Target => readTarget(query, world);
  switch (path) {
    case "about":
      prepareSearch(); // ready by the time that somebody searches
      return { shows: "backup" };
    case "overview": {
      const state = backup();
      const names = state.members.map(({ name }) => name);
      return { ...overview(world, clock()), controlPlane: controlPlane(world, prefix, names), backup: state };
    }
    case "kinds":
      return { kinds: world.catalog.resources.map(kindBody) };
    case "density":
      return density(world, clock(), number("buckets", 1, 400, 120));
    case "rows": {
      const { resource, namespace } = target();
      const [offset, count] = [number("offset", 0, Number.MAX_SAFE_INTEGER, 0), number("count", 1, 500, 100)];
      return tableRows(world, resource, namespace, { offset, count, filter: text("filter") });
    }
    case "object": {
      const { resource, namespace, name } = target();
      return objectPage(world, resource, namespace, name);
    }
    case "history": {
      const { resource, namespace, name } = target();
      return objectHistory(world, clock(), resource, namespace, name);
    }
    case "texts": {
      const { resource, namespace, name } = target();
      return objectTexts(world, resource, namespace, name, query.getAll("revision").slice(0, 2).map(moment));
    }
    case "changes": {
      const to = text("to") === "" ? world.revision : moment(text("to"));
      const from = text("since") === "" ? world.history.firstRevision : moment(text("since"));
      const [offset, limit] = [number("offset", 0, 100_000, 0), number("limit", 1, 500, 100)];
      return changes(world, clock(), { from, to, all: text("all") === "true", offset, limit });
    }
    case "search":
      return {
        ...searchNames(world, names(), { words: text("words"), limit: number("limit", 1, 500, 50) }),
        indexed: contents()?.progress() ?? 1,
      };
    case "search-contents":
      return searchContents(world, prefix, {
        words: text("words"),
        limit: number("limit", 1, 200, 50),
        cursor: number("cursor", 0, Number.MAX_SAFE_INTEGER, 0),
        hasTime: budget(),
        index: contents(),
      });
    default:
      throw noSuchPath();
  }
}

interface Target {
  readonly resource: ServedResource;
  readonly namespace: string | undefined;
  readonly name: string;
}

function readTarget(query: URLSearchParams, { catalog }: World): Target {
  const [group, version, plural] = ["group", "version", "plural"].map((name) => query.get(name) ?? "");
  const resource = catalog.find(defined(group), defined(version), defined(plural));
  if (resource === undefined) throw noSuchPath();
  const namespace = query.get("namespace") ?? "";
  const isIn = resource.namespaced && namespace !== "";
  return { resource, namespace: isIn ? namespace : undefined, name: query.get("name") ?? "" };
}

function kindBody({ group, version, plural, kind, namespaced, shortNames }: ServedResource): JsonObject {
  return { group, version, plural, kind, namespaced, shortNames };
}
