/** Writes values as lines of JSON, as `snapshot export -o jsonl` prints them: the key, its revisions, and the object. */
import type { Finding } from "../errors/errors.ts";
import type { Tally } from "../errors/findings.ts";
import type { DecodedValue } from "../kube/object.ts";
import type { KeyValue } from "../mvcc/key-value.ts";
import { decodeToText } from "./decode.ts";
import { createTransformer } from "./encryption.ts";
import type { EncryptionConfig } from "./encryption-config.ts";
import { printJson } from "./json-text.ts";
import { noteValue } from "./value-findings.ts";

/** Plain data, so that it can be sent to a thread. */
export interface LineOptions {
  readonly encryption?: Pick<EncryptionConfig, "rules">;
  readonly etcdPrefix?: string;
}

/** What some values were. */
interface LineCounts extends Record<DecodedValue["state"], number> {}

export interface LinesResult {
  readonly counts: LineCounts;
  readonly findings: readonly Finding[];
  readonly tallies: ReadonlyMap<string, Tally>;
}

export interface LineTask {
  /** Writes one line. */
  add(keyValue: KeyValue, lines: LineBuffer): void;
  /** What the values since the last call were. */
  take(): LinesResult;
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();
/** In UTF-8, of a string's units. */
const MOST_BYTES_A_UNIT = 3;

const { copy } = Buffer.prototype as unknown as { copy(this: Uint8Array, target: Uint8Array, at: number): number };

/** Memory for lines, which grows as it must. */
export class LineBuffer {
  private bytes: Uint8Array;
  private readonly allocate: (size: number) => Uint8Array;
  size = 0;

  constructor(size: number, allocate: (size: number) => Uint8Array = (size) => new Uint8Array(size)) {
    this.allocate = allocate;
    this.bytes = allocate(size);
  }

  add(part: Uint8Array): void {
    this.#reserve(part.length);
    copy.call(part, this.bytes, this.size); // `set` into shared memory takes ten times as long
    this.size += part.length;
  }

  addText(text: string): void {
    this.#reserve(text.length * MOST_BYTES_A_UNIT);
    this.size += encoder.encodeInto(text, this.bytes.subarray(this.size)).written;
  }

  #reserve(length: number): void {
    if (this.size + length <= this.bytes.length) return;
    const larger = this.allocate(Math.max(this.bytes.length * 2, this.size + length));
    larger.set(this.bytes.subarray(0, this.size));
    this.bytes = larger;
  }

  get written(): Uint8Array {
    return this.bytes.subarray(0, this.size);
  }
}

const LINE_END = encoder.encode("}\n");

export function createLineTask({ encryption, etcdPrefix }: LineOptions): LineTask {
  const transformer = createTransformer(encryption, etcdPrefix);
  let counts: LineCounts = { object: 0, encrypted: 0, unreadable: 0, opaque: 0 };
  let findings: Finding[] = [];
  let tallies = new Map<string, Tally>();
  return {
    add(keyValue, lines) {
      const key = decoder.decode(keyValue.key);
      const { value, modRevision, createRevision, version, lease } = keyValue;
      const decoded = decodeToText({ key, value, modRevision }, transformer);
      counts[decoded.state] += 1;
      const notes = { hasKeys: encryption !== undefined, tallies, report: (each: Finding) => void findings.push(each) };
      noteValue(notes, decoded, () => `revision ${modRevision} · ${key}`);
      const revisions = `"createRevision":${createRevision},"modRevision":${modRevision},"version":${version}`;
      const head = `{"key":${printJson(key)},${revisions},"lease":${lease}`;
      if (decoded.state !== "object") {
        const rest = printJson({
          apiVersion: null,
          kind: null,
          object: null,
          state: decoded.state,
          text: decoded.text,
        });
        lines.addText(`${head},${rest.slice(1)}\n`);
        return;
      }
      const { apiVersion, kind, json } = decoded;
      lines.addText(`${head},"apiVersion":${printJson(apiVersion)},"kind":${printJson(kind)},"object":`);
      lines.add(json);
      lines.add(LINE_END);
    },
    take() {
      const result = { counts, findings, tallies };
      counts = { object: 0, encrypted: 0, unreadable: 0, opaque: 0 };
      findings = [];
      tallies = new Map();
      return result;
    },
  };
}
