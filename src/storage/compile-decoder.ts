/**
 * Makes decoders: for each message a JavaScript function that reads its protobuf and writes its JSON, without a table
 * to look into and without anything made in between. They are compiled when they are first called, so that a program
 * pays for the types that it meets. The code is put together from the generated tables alone; nothing of a file's
 * content ever becomes code (docs/adr/0165-decoders-are-compiled.md).
 *
 * A decoder reads a message twice. The first pass notes where each field lies (`f` start, `g` end, `c` how many, `x`
 * the value of a number); the second writes the fields in the order in which Go declares them. Of a field that should
 * be there once and is there several times, the last counts.
 */

import { compileFunction } from "node:vm";
import { defined } from "../errors/defined.ts";
import { invariant } from "../errors/errors.ts";
import { BYTES } from "../protobuf/reader.ts";
import { DECODER_HELPERS, isNumber, LEAF_WRITERS, leafWriter, NUMBER_KINDS, wireTypeOf } from "./decoder-helpers.ts";
import type { Writer } from "./json-sink.ts";
import { Card, Empty, type FieldPlan, type FieldTable, type MessagePlan, Op, Shape } from "./message-plan.ts";
import type { MapValue } from "./write-map.ts";

/** Which fields are decoded: all, or those named, each with what of it. Of lists and maps, it says what of each item. */
export type FieldChoice = true | { readonly [field: string]: FieldChoice };

export interface Decoder {
  /** Writes a message's JSON to the sink. */
  write: Writer;
}

/** The root writes its type first, and its metadata with the resource version. */
type Role = "root" | "metadata" | "message";

const MAX_MESSAGE_DEPTH = 200;

const decoders = new Map<MessagePlan, Map<FieldChoice, Map<Role, Decoder>>>();

/** The decoder of a message. A root's writes the inside of the object and its closing brace: what is before is the caller's. */
export function decoderOf(plan: MessagePlan, choice: FieldChoice = true, role: Role = "message"): Decoder {
  const ofPlan = decoders.get(plan) ?? new Map<FieldChoice, Map<Role, Decoder>>();
  decoders.set(plan, ofPlan);
  const ofChoice = ofPlan.get(choice) ?? new Map<Role, Decoder>();
  ofPlan.set(choice, ofChoice);
  const known = ofChoice.get(role);
  if (known !== undefined) return known;
  const decoder: Decoder = {
    write(start, end, out, depth) {
      decoder.write = compile(plan, choice, role);
      return decoder.write(start, end, out, depth);
    },
  };
  ofChoice.set(role, decoder);
  return decoder;
}

function compile(plan: MessagePlan, choice: FieldChoice, role: Role): Writer {
  const source = new DecoderSource(choice, role);
  const body = source.message(plan);
  const names = Object.keys(DECODER_HELPERS).join(", ");
  // Not the Function constructor, which Node can be started without.
  const make = compileFunction(
    `"use strict"; const { ${names} } = helpers; ${source.constants()} return function decode(start, end, out, depth) {${body}};`,
    ["helpers", "values"],
  );
  return make(DECODER_HELPERS, source.values) as Writer;
}

/** The source of one decoder. Fields' variables end in their slots. */
class DecoderSource {
  readonly values: unknown[] = [];
  private loops = 0;
  private readonly choice: FieldChoice;
  private readonly role: Role;

  constructor(choice: FieldChoice, role: Role) {
    this.choice = choice;
    this.role = role;
  }

  /** Values that the code refers to, each once. */
  constants(): string {
    return this.values.map((_, index) => `const k${index} = values[${index}];`).join(" ");
  }

  private constant(value: unknown): string {
    const known = this.values.indexOf(value);
    return `k${known >= 0 ? known : this.values.push(value) - 1}`;
  }

  private isChosen(field: FieldPlan): boolean {
    return this.choice === true || Object.hasOwn(this.choice, field.name);
  }

  private choiceOf(field: FieldPlan): FieldChoice {
    if (this.choice === true || field.name === "=") return this.choice;
    return this.choice[field.name] ?? true;
  }

  message(plan: MessagePlan): string {
    // A shape that is one value in JSON is decoded whole.
    const slots = plan.slots.filter((field) => plan.shape !== Shape.Object || this.isChosen(field));
    const write =
      plan.shape !== Shape.Object
        ? this.shape(plan)
        : `${this.role === "root" ? "" : "output[p++] = 0x7b;"}
           ${slots.map((field) => this.field(field)).join("\n")}
           ${this.role === "root" && !plan.byName.has("metadata") ? this.bareMetadata() : ""}
           if (output[p - 1] === 0x2c) output[p - 1] = 0x7d; else output[p++] = 0x7d;
           return p;`;
    return `
      const { input, output, view } = sink;
      if (out > sink.limit || ++sink.messages > MAX_MESSAGES) full(start);
      if (depth > ${MAX_MESSAGE_DEPTH}) deep(start);
      let s = start, p = out, a = 0, b = 0, t = 0, n = 0;
      ${slots.map(({ slot }) => `let f${slot} = -1, g${slot} = 0, c${slot} = 0, x${slot};`).join(" ")}
      ${this.scan(plan.fields, plan, "end")}
      ${write}`;
  }

  /** The first pass over the fields between `s` and the variable `end`. */
  private scan(table: FieldTable, plan: MessagePlan, end: string): string {
    const loop = `l${this.loops++}`;
    const known = table.inWireOrder.filter(
      (field) => field.op === Op.Inline || plan.shape !== Shape.Object || this.isChosen(field),
    );
    const delimited: string[] = [];
    const numbers: string[] = [];
    for (const field of known) {
      if (field.op === Op.Inline) delimited.push(this.inlineCase(field, plan, loop));
      else if (isNumber(field) && field.card !== Card.Map) {
        numbers.push(this.numberCase(field, end));
        if (field.card === Card.Many) delimited.push(`case ${field.number}: ${firstOf(field, "a", end)} break;`);
      } else delimited.push(`case ${field.number}: ${place(field, end)} break;`);
    }
    // What is known and not chosen is passed over by its length, as `other` does after looking for it in the table.
    for (const field of table.inWireOrder) {
      if (!known.includes(field) && wireTypeOf(field) === BYTES) delimited.push(`case ${field.number}: break;`);
    }
    const plain = this.constant(table);
    return `${loop}: while (s < ${end}) {
      a = s;
      t = input[s++];
      if (t > 127) {
        if (s < ${end} && input[s] < 128) t = (t & 127) | (input[s++] << 7);
        else { t = readTag(a, ${end}); s = sink.pos; }
      }
      if ((t & 7) === ${BYTES}) {
        if (s >= ${end}) early(s);
        b = s;
        n = input[s++];
        if (n > 127) {
          if (s < ${end} && input[s] < 128) n = (n & 127) | (input[s++] << 7);
          else { n = readLength(b, ${end}); s = sink.pos; }
        }
        if (n > ${end} - s) past(${plain}, t >>> 3, s);
        switch (t >>> 3) {
          ${delimited.join("\n          ")}
          default: other(${plain}, t, a, s, ${end});
        }
        s += n;
      } else switch (t) {
        ${numbers.join("\n        ")}
        default: s = other(${plain}, t, a, s, ${end});
      }
    }`;
  }

  /** Fields of a message that are their parent's in JSON. */
  private inlineCase(field: FieldPlan, plan: MessagePlan, loop: string): string {
    const end = `e${this.loops}`;
    const reset = slotsOf(defined(field.inline))
      .filter((each) => this.isChosen(each))
      .map(({ slot }) => `f${slot} = -1; c${slot} = 0; x${slot} = undefined;`);
    return `case ${field.number}: {
      const ${end} = s + n;
      ${reset.join(" ")}
      ${this.scan(defined(field.inline), plan, end)}
      continue ${loop};
    }`;
  }

  private numberCase(field: FieldPlan, end: string): string {
    const { number, slot, op, card } = field;
    const label = `case ${(number << 3) | wireTypeOf(field)}:`;
    if (card === Card.Many) return `${label} ${firstOf(field, "a", end)} s = skipField(s, ${end}, t & 7); break;`;
    const kind = defined(NUMBER_KINDS[op]);
    if (kind === "double" || kind === "float")
      return `${label} x${slot} = readFloating(s, ${end}, "${kind}", "${field.name}"); s = sink.pos; break;`;
    return `${label}
      if (s >= ${end}) early(s);
      x${slot} = input[s++];
      if (x${slot} > 127) { x${slot} = readVarint(s - 1, ${end}, "${kind}"); s = sink.pos; }
      break;`;
  }

  /** One field of the second pass: its name, its value and a comma. */
  private field(field: FieldPlan): string {
    const { slot, name } = field;
    const nameAndValue = `${text(`"${name}":`)} ${this.value(field)} output[p++] = 0x2c;`;
    const absent = field.empty === Empty.Omit ? "" : text(`"${name}":${JSON.stringify(emptyForm(field))},`);
    if (this.role === "root" && name === "metadata" && field.op === Op.Message) {
      const orEmpty = `if (sink.resourceVersion !== "") { f${slot} = 0; g${slot} = 0; }`;
      const noteEnd = this.choice === true ? "" : "sink.metadataEnd = p;";
      return `if (f${slot} < 0) { ${orEmpty} } if (f${slot} >= 0) { ${nameAndValue} ${noteEnd} } else { ${absent} }`;
    }
    if (this.role === "metadata" && name === "resourceVersion")
      return `if (sink.resourceVersion !== "") {
        ${text(`"${name}":"`)} p = writeText(sink.resourceVersion, p); ${text('",')}
        sink.resourceVersion = "";
      } else if (f${slot} >= 0 && g${slot} > f${slot}) { ${nameAndValue} }`;
    if (field.op === Op.Time && field.dropsZero)
      return `if (f${slot} >= 0) { const q = p; ${text(`"${name}":`)} ${this.value(field)}
        if (output[p - 1] === 0x6c) p = q; else output[p++] = 0x2c; } else { ${absent} }`;
    return `if (${present(field)}) { ${nameAndValue} } ${absent === "" ? "" : `else { ${absent} }`}`;
  }

  /** The value of a field that is there. */
  private value(field: FieldPlan): string {
    const { slot, op, card, number } = field;
    if (card === Card.Map) {
      const value = this.constant(this.mapValue(field));
      return `p = writeMap(f${slot}, g${slot}, ${number}, c${slot}, ${value}, p, depth + 1);`;
    }
    if (isNumber(field)) {
      if (card === Card.Many) return `p = writeNumbers(f${slot}, g${slot}, ${this.constant(field)}, p);`;
      if (op === Op.Bool) return `if (x${slot}) { ${text("true")} } else { ${text("false")} }`;
      return `if (x${slot} >= 0 && x${slot} < 10) output[p++] = 0x30 + x${slot}; else p = writeNumber(x${slot}, p);`;
    }
    if (card === Card.One) return this.content(field, `f${slot}`, `g${slot}`);
    const low = ((number << 3) | BYTES) & 0x7f;
    const isNext =
      number < 16 ? `input[q] === ${low}` : `input[q] === ${low | 0x80} && input[q + 1] === ${number >>> 4}`;
    return `{
      output[p++] = 0x5b;
      let q = f${slot}, m = 0;
      for (let left = c${slot}; ; ) {
        m = input[q++];
        if (m > 127) {
          if (input[q] < 128) m = (m & 127) | (input[q++] << 7);
          else { m = readLength(q - 1, g${slot}); q = sink.pos; }
        }
        ${this.content(field, "q", "q + m")}
        q += m;
        if (--left === 0) break;
        output[p++] = 0x2c;
        if (${isNext}) q += ${number < 16 ? 1 : 2}; else q = seek(q, g${slot}, ${number});
      }
      output[p++] = 0x5d;
    }`;
  }

  private content(field: FieldPlan, start: string, end: string): string {
    if (field.op !== Op.Message) return `p = ${LEAF_WRITERS[field.op]}(${start}, ${end}, p);`;
    return `p = ${this.constant(this.decoderFor(field))}.write(${start}, ${end}, p, depth + 1);`;
  }

  private decoderFor(field: FieldPlan): Decoder {
    const isRootMetadata = this.role === "root" && field.name === "metadata";
    return decoderOf(defined(field.plan), this.choiceOf(field), isRootMetadata ? "metadata" : "message");
  }

  private mapValue(field: FieldPlan): MapValue {
    const { op, name } = field;
    const decoder = op === Op.Message ? this.decoderFor(field) : undefined;
    const absent = JSON.stringify(
      op === Op.Message ? zeroForm(defined(field.plan)) : op === Op.Bytes ? "" : field.zero,
    );
    return {
      name,
      absent,
      write: decoder === undefined ? leafWriter(op) : (start, end, out, depth) => decoder.write(start, end, out, depth),
    };
  }

  /** A message that is one value in JSON: of two fields, the second counts where it is there. */
  private shape(plan: MessagePlan): string {
    const none = plan.shape === Shape.SchemaOrBool ? "false" : "null";
    const branches = [...plan.slots].reverse().map((field) => `if (${present(field)}) { ${this.value(field)} } else`);
    return `${branches.join(" ")} { ${text(none)} } return p;`;
  }

  /** The resource version of a kind without metadata. */
  private bareMetadata(): string {
    return `if (sink.resourceVersion !== "") {
      ${text('"metadata":{"resourceVersion":"')} p = writeText(sink.resourceVersion, p); ${text('"},')}
    }`;
  }
}

/** Notes where a field with a length is: the last of one, the first of several. */
function place(field: FieldPlan, end: string): string {
  if (field.card === Card.One) return `f${field.slot} = s; g${field.slot} = s + n;`;
  return firstOf(field, "b", end);
}

function firstOf({ slot }: FieldPlan, start: string, end: string): string {
  return `if (c${slot}++ === 0) { f${slot} = ${start}; g${slot} = ${end}; }`;
}

/** Whether a field is printed: it is there, and not one of those that Go leaves out where they are zero. */
function present(field: FieldPlan): string {
  const { slot, card, dropsZero } = field;
  if (card === Card.One && isNumber(field)) return dropsZero ? `x${slot}` : `x${slot} !== undefined`;
  return dropsZero ? `f${slot} >= 0 && g${slot} > f${slot}` : `f${slot} >= 0`;
}

function slotsOf(table: FieldTable): FieldPlan[] {
  return table.inWireOrder.flatMap((field) => (field.op === Op.Inline ? slotsOf(defined(field.inline)) : [field]));
}

/** Code that writes ASCII text: four bytes at a time, the last of which may write more than is kept. */
function text(value: string): string {
  const bytes = Buffer.from(value, "latin1");
  invariant(bytes.length < 1024, "a constant text of a decoder is too long");
  const padded = Buffer.concat([bytes, Buffer.alloc(3)]);
  const words: string[] = [];
  for (let at = 0; at < bytes.length; at += 4)
    words.push(`view.setUint32(p${at === 0 ? "" : ` + ${at}`}, ${padded.readUInt32LE(at)}, true);`);
  return `${words.join(" ")} p += ${bytes.length};`;
}

function emptyForm(field: FieldPlan): unknown {
  if (field.empty === Empty.Null) return null;
  return field.empty === Empty.Struct ? zeroForm(defined(field.plan)) : field.zero;
}

/** What Go prints for a struct of which nothing is stored. */
function zeroForm(plan: MessagePlan): unknown {
  if (plan.shape === Shape.SchemaOrBool) return false;
  if (plan.shape !== Shape.Object) return null;
  const fields = plan.slots.filter((field) => field.empty !== Empty.Omit);
  return Object.fromEntries(fields.map((field) => [field.name, emptyForm(field)]));
}
