/** The objects of `snapshot get` as they may be shown, and what is said about them on stderr afterwards. */
import type { JsonObject } from "../../kube/object.ts";
import type { FoundObjects } from "../../operations/snapshot/get-objects.ts";
import type { ObjectRequest } from "../../storage/resource-argument.ts";
import type { GetFlags } from "../options/get-flags.ts";
import { lineOf } from "../terminal/escape.ts";
import { type ObjectTextOptions, shownObject } from "./object-text.ts";
import type { Unreadable } from "./unreadable-objects.ts";

export class ShownObjects {
  readonly #options: ObjectTextOptions;
  #hidden = 0;
  /** The versions that objects are stored in where another was asked for. */
  readonly #otherVersions = new Set<string>();

  constructor(options: ObjectTextOptions) {
    this.#options = options;
  }

  /** Those that can be read; `unreadable` takes the others. */
  *readable({ groups }: FoundObjects, unreadable: Unreadable): Generator<JsonObject> {
    for (const group of groups) {
      const { version } = group.resource;
      for (const item of group.items()) {
        if (item.found.state !== "object") {
          unreadable.add(group, item);
          continue;
        }
        const { apiVersion } = item.found.object;
        if (version !== undefined && apiVersion.split("/").at(-1) !== version) this.#otherVersions.add(apiVersion);
        const { object, hidden } = shownObject(item.found.object, this.#options);
        if (hidden) this.#hidden++;
        yield object;
      }
    }
  }

  /** Lines for stderr. */
  notes(): string {
    const whose = this.#hidden === 1 ? "a secret" : `${this.#hidden} secrets`;
    const hidden = this.#hidden > 0 ? [`note: the data of ${whose} is hidden, pass --show-secrets to print it\n`] : [];
    const stored = [...this.#otherVersions].map((each) => lineOf`note: stored as ${each}, and shown as stored`);
    return [...hidden, ...stored].join("");
  }
}

/** Whether one object was asked for, which is printed alone and not in a list. */
export function isOneObject(
  requests: readonly ObjectRequest[],
  { allNamespaces }: Pick<GetFlags, "allNamespaces">,
): boolean {
  const [request] = requests;
  if (requests.length !== 1 || request === undefined || allNamespaces) return false;
  return request.names.length === 1 && !request.resources.includes(",");
}
