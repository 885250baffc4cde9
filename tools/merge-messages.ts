/** The union of a message over releases: what any of them could have stored can be read. Where two disagree, the newest is believed. */
import type { FieldFact, GoPackage, StructFact } from "./go-types.ts";
import type { LegacyMessage } from "./legacy-types.ts";

/** A message in table notation: its fields in the order in which the API server prints them. */
export type Message = FieldFact[];

export interface Merged {
  readonly messages: Map<string, Message>;
  readonly objects: Map<string, { readonly namespaced: boolean }>;
  /** Where releases disagree, for whoever runs the generator. */
  readonly disagreements: string[];
}

interface MergeContext {
  readonly release: string;
  readonly disagreements: string[];
  readonly renamed: Map<string, string>;
}

/** `releases`: newest first. */
export function mergeReleases(
  releases: readonly (readonly [name: string, packages: Map<string, GoPackage>])[],
  legacy: readonly LegacyMessage[] = [],
): Merged {
  const merged: Merged = { messages: new Map(), objects: new Map(), disagreements: [] };
  /** A field's message by the message it had before, such as VolumeResourceRequirements by ResourceRequirements. */
  const renamed = new Map<string, string>();
  for (const [release, packages] of releases) {
    for (const { id, structs } of packages.values()) {
      for (const [name, struct] of structs) {
        const message = `${id}.${name}`;
        const known = merged.messages.get(message);
        if (known) mergeMessage(message, known, struct, { release, disagreements: merged.disagreements, renamed });
        else merged.messages.set(message, [...struct.fields]);
        if (struct.isObject && !merged.objects.has(message))
          merged.objects.set(message, { namespaced: struct.namespaced });
      }
    }
  }
  for (const [newer, older] of renamed) {
    const known = merged.messages.get(newer)!;
    for (const field of merged.messages.get(older)!) {
      if (!known.some(({ number }) => number === field.number)) known.push({ ...field, gone: true });
    }
  }
  for (const { name, object, fields } of legacy) {
    const known = merged.messages.get(name) ?? [];
    const isNew = !merged.messages.has(name);
    for (const { fact, after } of fields) {
      if (known.some((field) => field.number === fact.number))
        throw new Error(`legacy field ${name} #${fact.number} is declared by a package`);
      if (isNew) known.push(fact);
      else known.splice(known.findIndex((field) => field.number === after) + 1, 0, { ...fact, gone: true });
    }
    merged.messages.set(name, known);
    if (object) merged.objects.set(name, { namespaced: object === "namespaced" });
  }
  return merged;
}

function mergeMessage(message: string, known: Message, older: StructFact, context: MergeContext): void {
  const { release, disagreements, renamed } = context;
  let after = -1; // a field that only the older release has goes behind its neighbour there
  for (const field of older.fields) {
    const index = known.findIndex((candidate) => candidate.number === field.number);
    if (index < 0) {
      known.splice(after + 1, 0, { ...field, gone: true });
      after += 1;
      continue;
    }
    after = index;
    const [newType, oldType] = [bareType(known[index]!.type), bareType(field.type)];
    if (newType !== oldType && isMessage(newType) && isMessage(oldType)) renamed.set(newType, oldType);
    const { name, type, omitEmpty } = known[index]!;
    if (name !== field.name || type !== field.type || omitEmpty !== field.omitEmpty) {
      const say = (fact: FieldFact) => `${fact.name}${fact.omitEmpty ? "?" : ""} ${fact.type}`;
      disagreements.push(`${message} #${field.number}: ${say(known[index]!)} / ${release}: ${say(field)}`);
    }
  }
}

/** A type without its pointer, list or map. */
function bareType(type: string): string {
  return type.replace(/^(\*|\[\]|map\[\])+/, "");
}

function isMessage(type: string): boolean {
  return type.includes("/") || type.includes(".");
}

/** The messages that an object of `roots` can hold, sorted by name. */
export function reachable(messages: ReadonlyMap<string, Message>, roots: Iterable<string>): Map<string, Message> {
  const found = new Set<string>();
  const queue = [...roots];
  for (let name = queue.pop(); name !== undefined; name = queue.pop()) {
    if (found.has(name)) continue;
    const fields = messages.get(name);
    if (!fields) throw new Error(`no message "${name}"`);
    found.add(name);
    for (const { type } of fields) {
      const target = bareType(type);
      if (isMessage(target)) queue.push(target);
    }
  }
  return new Map([...found].sort().map((name) => [name, messages.get(name)!]));
}

/**
 * `2 spec? core/v1.PodSpec`: number, JSON name with `?` for omitempty and `??` for omitzero, type, and `gone` for
 * a field that the newest release does not have.
 */
export function printField({ number, name, type, omitEmpty, omitZero, gone }: FieldFact): string {
  return `${number} ${name}${omitZero ? "??" : omitEmpty ? "?" : ""} ${type}${gone ? " gone" : ""}`;
}

/** The inverse of {@link printField}. */
export function parseField(line: string): FieldFact {
  const match = /^(\d+) (.+?)(\??\??) (\S+)$/.exec(line);
  if (!match) throw new Error(`unreadable field "${line}"`);
  return {
    number: Number(match[1]),
    name: match[2]!,
    type: match[4]!,
    omitEmpty: match[3] !== "",
    omitZero: match[3] === "??",
  };
}
