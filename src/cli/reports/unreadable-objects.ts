/** What `snapshot get` says of objects that it cannot show. */
import { MendError } from "../../errors/errors.ts";
import type { ObjectGroup } from "../../operations/snapshot/get-objects.ts";
import type { FoundObject } from "../../snapshot/found-objects.ts";
import { resourceName } from "../../storage/resource-argument.ts";
import { hanging, oneLine } from "../terminal/escape.ts";

/** Objects that cannot be shown, by the reason. */
export class Unreadable {
  count = 0;
  readonly #byReason = new Map<
    string,
    { readonly names: string[]; readonly resource: string; readonly encrypted: boolean }
  >();
  readonly #hasConfig: boolean;

  constructor(hasConfig: boolean) {
    this.#hasConfig = hasConfig;
  }

  add({ resource }: ObjectGroup, { namespace, name, found }: FoundObject): void {
    if (found.state === "object") return;
    this.count++;
    const reason = `${resource.path} ${found.text}`;
    const known = this.#byReason.get(reason) ?? {
      names: [],
      resource: resourceName(resource),
      encrypted: found.state === "encrypted",
    };
    known.names.push(oneLine(namespace === undefined ? name : `${namespace}/${name}`));
    this.#byReason.set(reason, known);
  }

  /** Lines for people. */
  text(): string {
    const hint = this.#hint();
    const lines = this.#sentences().map((sentence) => `error: ${hanging(sentence)}\n`);
    return lines.join("") + (hint === undefined ? "" : `hint: ${hint}\n`);
  }

  /** All of it as one error. */
  error(): MendError {
    const hint = this.#hint();
    const encrypted = [...this.#byReason.values()].every((each) => each.encrypted);
    return new MendError(encrypted ? "encryption-key-missing" : "object-unreadable", this.#sentences().join("; "), {
      ...(hint === undefined ? {} : { hint }),
    });
  }

  #sentences(): string[] {
    return [...this.#byReason].map(([reason, { names, resource }]) => {
      const shown = names.slice(0, 3).map((name) => `"${name}"`);
      const more = names.length > 3 ? ` and ${names.length - 3} more` : "";
      return `${resource} ${shown.join(", ")}${more} cannot be read: ${reason.slice(reason.indexOf(" ") + 1)}`;
    });
  }

  #hint(): string | undefined {
    const encrypted = [...this.#byReason.values()].some((each) => each.encrypted);
    return encrypted && !this.#hasConfig
      ? "pass the file that kube-apiserver has as --encryption-provider-config with --encryption-config"
      : undefined;
  }
}
