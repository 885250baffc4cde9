/** Objects of a backup by their names, each resource looked up once. */

import { MendError } from "../../errors/errors.ts";
import { input } from "../../errors/input.ts";
import type { KubeObject } from "../../kube/object.ts";
import { idKey, type ObjectId } from "../../objects/object-id.ts";
import type { ReadObject, SideEntry } from "./side.ts";
import type { SnapshotSide } from "./snapshot-side.ts";

/** An object that may go back into a cluster. */
export interface Candidate {
  readonly id: ObjectId;
  readonly object: KubeObject;
  /** Somebody asked for it by its name. */
  readonly named: boolean;
  /** Why it is among those that go back, where nobody asked for it; empty otherwise. */
  readonly why: string;
}

export class BackupObjects {
  readonly side: SnapshotSide;
  readonly #paths = new Map<string, ReadonlyMap<string, SideEntry>>();
  /** Objects that were wanted and cannot be read. */
  readonly unreadable: { readonly id: ObjectId; readonly text: string }[] = [];

  constructor(side: SnapshotSide) {
    this.side = side;
  }

  /** Everything at a path, by `NAMESPACE/NAME` or `NAME`. */
  async at(path: string): Promise<ReadonlyMap<string, SideEntry>> {
    let found = this.#paths.get(path);
    if (found === undefined) {
      found = await this.side.open(path);
      this.#paths.set(path, found);
    }
    return found;
  }

  /** The object, or undefined where there is none, or none that can be read. */
  async get(id: ObjectId): Promise<KubeObject | undefined> {
    const { path, namespace, name } = id;
    const entry = (await this.at(path)).get(namespace === undefined ? name : `${namespace}/${name}`);
    return entry && this.take(id, entry.read());
  }

  /** Keeps account of what cannot be read. */
  take(id: ObjectId, read: ReadObject | undefined): KubeObject | undefined {
    if (read?.state === "object") return read.object;
    const key = idKey(id);
    if (!this.unreadable.some((each) => idKey(each.id) === key)) {
      this.unreadable.push({ id, text: read?.text ?? "the value is damaged" });
    }
    return undefined;
  }

  /** Objects of a namespace, or all, at a path. */
  async *list(
    path: string,
    namespace?: string,
  ): AsyncGenerator<{ readonly id: ObjectId; readonly object: KubeObject }> {
    for (const [rest, entry] of await this.at(path)) {
      const slash = rest.indexOf("/");
      const own = slash < 0 ? undefined : rest.slice(0, slash);
      if (namespace !== undefined && own !== namespace) continue;
      const id = { path, namespace: own, name: rest.slice(slash + 1) };
      const object = this.take(id, entry.read());
      if (object !== undefined) yield { id, object };
    }
  }
}

/** Throws where an object that is to go back cannot be read: nobody should believe that all was given back. */
export function refuseUnreadable({ unreadable, side }: BackupObjects): void {
  const [first] = unreadable;
  if (first === undefined) return;
  const more = unreadable.length === 1 ? "" : ` (and ${unreadable.length - 1} more)`;
  const isEncrypted = first.text.startsWith("encrypted");
  throw new MendError(
    isEncrypted ? "encryption-key-missing" : "object-unreadable",
    `"${idKey(first.id)}"${more} cannot be read: ${first.text}`,
    {
      where: side.label,
      hint: isEncrypted
        ? `pass the file that kube-apiserver has as --encryption-provider-config with ${input("encryptionConfig")}`
        : "choose fewer objects, or another backup",
    },
  );
}
