/**
 * repository: a backup repository as values: how its objects are named and encoded (docs/formats/repository.md),
 * whether they form one chain, which of them lead to a moment, and which of them to keep. Nothing here touches a file,
 * a network or a clock; `io/stores` holds the places where objects lie, `io/repository` reads and writes them.
 *
 * This file holds the names of objects.
 */

export const DESCRIPTION_NAME = "repository.json";
export const CHAIN = "chain/";
export const BUNDLES = "bundles/";
export const DATA = "data/";
export const PRUNED = "pruned/";
const ROTATIONS = "keys/";
export const REPORTS = "reports/";

const DIGITS = 10;
/** 300 years of a link a second. */
export const MOST_SEQUENCE = 10 ** DIGITS - 1;

/** Links are numbered, so that creating the next one exclusively decides between two writers. Names sort as numbers do. */
export function linkName(sequence: number): string {
  return CHAIN + digits(sequence);
}

/** Where the copy of a rotation's head is; they are numbered from 1. */
export function rotationName(number: number): string {
  return ROTATIONS + digits(number);
}

/** The number of a link by its name, or undefined for any other name. */
export function linkSequence(name: string): number | undefined {
  const [, text] = /^chain\/(\d{10})$/.exec(name) ?? [];
  return text === undefined || Number(text) === 0 ? undefined : Number(text);
}

export interface SequenceRange {
  readonly from: number;
  readonly to: number;
}

export function bundleName({ from, to }: SequenceRange): string {
  return `${BUNDLES}${digits(from)}-${digits(to)}`;
}

export function bundleRange(name: string): SequenceRange | undefined {
  const [, from, to] = /^bundles\/(\d{10})-(\d{10})$/.exec(name) ?? [];
  if (from === undefined || to === undefined) return undefined;
  const range = { from: Number(from), to: Number(to) };
  return range.from >= 1 && range.to >= range.from ? range : undefined;
}

function digits(sequence: number): string {
  return String(sequence).padStart(DIGITS, "0");
}
