/** One damaged input from a corpus: the same seed gives the same one. */
import { type Random, seededRandom } from "../damage/mutate.ts";
import type { FuzzTarget } from "./target.ts";

const LONGEST = 1 << 18;
const EXTREMES = [0, 1, 0x7f, 0x80, 0xff, 0x7fff, 0x8000, 0xffff, 0x7fffffff, 0x80000000, 0xffffffff];

type Damage = (bytes: Uint8Array, random: Random, other: Uint8Array, words: readonly string[]) => Uint8Array;

function joined(...parts: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(parts));
}

/** Where something begins and ends; short more often than long. */
function range(length: number, random: Random): [from: number, to: number] {
  const from = random.next(length + 1);
  const most = random.next(4) === 0 ? length - from : Math.min(length - from, 16);
  return [from, from + random.next(most + 1)];
}

const DAMAGES: readonly Damage[] = [
  function flipBits(bytes, random) {
    for (let i = random.next(4); i >= 0; i--) bytes[random.next(bytes.length)]! ^= 1 << random.next(8);
    return bytes;
  },
  function setByte(bytes, random) {
    bytes[random.next(bytes.length)] = random.next(256);
    return bytes;
  },
  function setNumber(bytes, random) {
    const size = [1, 2, 4, 8][random.next(4)]!;
    if (bytes.length < size) return bytes;
    const at = random.next(bytes.length - size + 1);
    const view = new DataView(bytes.buffer, bytes.byteOffset);
    const value = EXTREMES[random.next(EXTREMES.length)]!;
    const isLittle = random.next(2) === 0;
    if (size === 1) view.setUint8(at, value);
    else if (size === 2) view.setUint16(at, value, isLittle);
    else if (size === 4) view.setUint32(at, value, isLittle);
    else view.setBigUint64(at, BigInt(value) * (random.next(2) === 0 ? 1n : 0x100000001n), isLittle);
    return bytes;
  },
  function remove(bytes, random) {
    const [from, to] = range(bytes.length, random);
    return joined(bytes.subarray(0, from), bytes.subarray(to));
  },
  function repeat(bytes, random) {
    const [from, to] = range(bytes.length, random);
    const times = random.next(8) === 0 ? random.next(2000) : random.next(3) + 1;
    const piece = bytes.subarray(from, to);
    if (piece.length * times > LONGEST) return bytes;
    return joined(bytes.subarray(0, to), ...Array.from({ length: times }, () => piece), bytes.subarray(to));
  },
  function move(bytes, random) {
    const [from, to] = range(bytes.length, random);
    const piece = bytes.slice(from, to);
    const rest = joined(bytes.subarray(0, from), bytes.subarray(to));
    const at = random.next(rest.length + 1);
    return joined(rest.subarray(0, at), piece, rest.subarray(at));
  },
  function cut(bytes, random) {
    return bytes.slice(0, random.next(bytes.length));
  },
  function insertRandom(bytes, random) {
    const at = random.next(bytes.length + 1);
    const piece = Uint8Array.from({ length: random.next(16) + 1 }, () => random.next(256));
    return joined(bytes.subarray(0, at), piece, bytes.subarray(at));
  },
  function takeFromAnother(bytes, random, other) {
    const [from, to] = range(other.length, random);
    const [at, end] = range(bytes.length, random);
    return joined(bytes.subarray(0, at), other.subarray(from, to), bytes.subarray(end));
  },
  function insertWord(bytes, random, _, words) {
    const [at, end] = random.next(2) === 0 ? range(bytes.length, random) : Array(2).fill(random.next(bytes.length + 1));
    return joined(bytes.subarray(0, at), Buffer.from(words[random.next(words.length)]!), bytes.subarray(end));
  },
];

const byLines =
  (change: (lines: string[], i: number, random: Random) => void): Damage =>
  (bytes, random) => {
    const lines = Buffer.from(bytes).toString("latin1").split("\n");
    change(lines, random.next(lines.length), random);
    return new Uint8Array(Buffer.from(lines.join("\n"), "latin1"));
  };

const LINE_DAMAGES: readonly Damage[] = [
  byLines((lines, i) => lines.splice(i, 1)),
  byLines((lines, i) => lines.splice(i, 0, lines[i]!)),
  byLines((lines, i, random) => {
    const j = random.next(lines.length);
    [lines[i], lines[j]] = [lines[j]!, lines[i]!];
  }),
  byLines((lines, i) => {
    lines.splice(i, 2, `${lines[i]} ${lines[i + 1]?.trim() ?? ""}`);
  }),
  byLines((lines, i, random) => {
    lines[i] = " ".repeat(random.next(4)) + lines[i]!.slice(random.next(3));
  }),
];

const WORDS = [
  ..."\0 \n \t \r\n [ ] { } : , - ? ! & * # | > % @ ` ' \" \\ / = .. ../ ~ $ ( )".split(" "),
  ...("true null 0 -1 1e999 NaN 99999999999999999999 0x7f 0b1 __proto__ constructor toString \u202e " +
    "\u001b[31m \ufeff \ud800 %00 %2e %zz".split(" ")),
  " ",
  "",
  ": ",
  "- ",
  "? ",
  "<<: *a",
  "&a ",
  "{}",
  "[]",
  '""',
  "A".repeat(300),
  "[".repeat(300),
  '{"a":'.repeat(300),
];

/** The seed chooses the input of the corpus too. */
export function damagedInput(
  corpus: readonly Uint8Array[],
  seed: number,
  { kind, words = [] }: Pick<FuzzTarget, "kind" | "words">,
): Uint8Array {
  const random = seededRandom(seed);
  if (random.next(64) === 0) return Uint8Array.from({ length: random.next(200) }, () => random.next(256));
  let bytes = corpus[random.next(corpus.length)]!.slice();
  const other = corpus[random.next(corpus.length)]!;
  const damages = kind === "text" ? [...DAMAGES, ...LINE_DAMAGES] : DAMAGES;
  const vocabulary = words.length > 0 && random.next(2) === 0 ? words : WORDS;
  for (let i = random.next(6); i >= 0 && bytes.length > 0; i--) {
    bytes = new Uint8Array(damages[random.next(damages.length)]!(bytes, random, other, vocabulary));
    if (bytes.length > LONGEST) bytes = bytes.slice(0, LONGEST);
  }
  return bytes;
}
