/** Collects what a control plane refers to and does not find, each thing once with all that need it. */

import { defined } from "../errors/defined.ts";
import type { ComponentName } from "../kube/component.ts";
import type { Missing, SealedObject } from "./control-plane.ts";

export class MissingList {
  readonly #found = new Map<
    string,
    { readonly missing: Omit<Missing, "neededBy" | "text">; readonly needs: Set<string> }
  >();
  readonly #sealed = new Map<string, SealedObject>();

  constructor(sealed: readonly SealedObject[]) {
    for (const object of sealed) this.#sealed.set(place(object.kind, object.namespace, object.name), object);
  }

  isSealed(kind: string, namespace: string, name: string): boolean {
    return this.#sealed.has(place(kind, namespace, name));
  }

  add(kind: string, namespace: string, name: string, key: string | undefined, neededBy: string): void {
    const reason = this.#sealed.get(place(kind, namespace, name))?.state ?? "absent";
    const id = `${place(kind, namespace, name)} ${key ?? ""}`;
    const entry = this.#found.get(id) ?? { missing: { kind, namespace, name, key, reason }, needs: new Set() };
    entry.needs.add(neededBy);
    this.#found.set(id, entry);
  }

  addComponent(component: ComponentName): void {
    this.add("component", "", component, undefined, "the control plane");
  }

  sorted(): Missing[] {
    return [...this.#found]
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([, { missing, needs }]) => {
        const neededBy = [...needs].join(", ");
        return { ...missing, neededBy, text: this.#describe(missing, neededBy) };
      });
  }

  #describe(missing: Omit<Missing, "neededBy" | "text">, neededBy: string): string {
    if (missing.kind === "component") return `component "${missing.name}" is missing`;
    const subject =
      `${missing.kind === "ConfigMap" ? "config map" : missing.kind === "Secret" ? "secret" : missing.kind} ` +
      `"${missing.namespace}/${missing.name}"`;
    if (missing.key !== undefined) return `${subject} has no key "${missing.key}": needed by ${neededBy}`;
    if (missing.reason === "absent") return `${subject} is missing: needed by ${neededBy}`;
    const sealed = defined(this.#sealed.get(place(missing.kind, missing.namespace, missing.name)));
    return `${subject} is ${missing.reason}: ${sealed.text}: needed by ${neededBy}`;
  }
}

function place(kind: string, namespace: string, name: string): string {
  return `${kind} ${namespace}/${name}`;
}
