/** Addresses in a network such as `10.3.0.0/24` or `fd00:10:3::/112`. */

import { defined } from "../errors/defined.ts";
/** A parsed network: its address as a number, and how many bits of it are the hosts'. */
export interface Network {
  readonly base: bigint;
  readonly hostBits: bigint;
  readonly bits: 32n | 128n;
}

/** Whether a text is an IP address, of either family; IPv6 in hexadecimal groups only. */
export function isAddress(text: string): boolean {
  return parseAddress(text) !== undefined;
}

export function isInNetwork(address: string, network: string): boolean {
  const range = parseNetwork(network);
  const value = parseAddress(address);
  return (
    range !== undefined && value?.bits === range.bits && value.value >> range.hostBits === range.base >> range.hostBits
  );
}

/** Whether two networks have an address in common. */
export function networksOverlap(a: Network, b: Network): boolean {
  if (a.bits !== b.bits) return false;
  const wider = a.hostBits > b.hostBits ? a : b;
  return a.base >> wider.hostBits === b.base >> wider.hostBits;
}

/** As text, such as `10.3.0.0/24`. */
export function networkText(network: Network): string {
  return `${formatAddress(network.base, network.bits)}/${network.bits - network.hostBits}`;
}

/** The address that far behind the network's own; undefined outside the network or when it is no network. */
export function offsetAddress(network: string, offset: number): string | undefined {
  const range = parseNetwork(network);
  if (range === undefined || BigInt(offset) >= 1n << range.hostBits) return undefined;
  return formatAddress(range.base + BigInt(offset), range.bits);
}

/** Undefined for anything but an address, a slash and a prefix length. Bits of the host part are cleared. */
export function parseNetwork(text: string): Network | undefined {
  const [, address, length] = /^([^/]+)\/(\d{1,3})$/.exec(text.trim()) ?? [];
  const parsed = address === undefined ? undefined : parseAddress(address);
  if (parsed === undefined || BigInt(defined(length)) > parsed.bits) return undefined;
  const hostBits = parsed.bits - BigInt(defined(length));
  return { base: (parsed.value >> hostBits) << hostBits, hostBits, bits: parsed.bits };
}

function parseAddress(text: string): { readonly value: bigint; readonly bits: 32n | 128n } | undefined {
  if (/^\d{1,3}(\.\d{1,3}){3}$/.test(text)) {
    const parts = text.split(".").map(Number);
    if (parts.some((part) => part > 255)) return undefined;
    return { value: parts.reduce((value, part) => (value << 8n) | BigInt(part), 0n), bits: 32n };
  }
  const halves = text.split("::");
  if (halves.length > 2 || !/^[0-9a-fA-F:]+$/.test(text)) return undefined;
  const [head, tail] = halves.map((half) => (half === "" ? [] : half.split(":")));
  const zeros = halves.length === 2 ? 8 - defined(head).length - defined(tail).length : 0;
  if (halves.length === 2 && zeros < 1) return undefined; // a `::` stands for something
  const groups = [...defined(head), ...Array<string>(zeros).fill("0"), ...(tail ?? [])];
  if (groups.length !== 8 || groups.some((group) => !/^[0-9a-fA-F]{1,4}$/.test(group))) return undefined;
  return { value: groups.reduce((value, group) => (value << 16n) | BigInt(`0x${group}`), 0n), bits: 128n };
}

function formatAddress(value: bigint, bits: 32n | 128n): string {
  if (bits === 32n) return [24n, 16n, 8n, 0n].map((shift) => String((value >> shift) & 255n)).join(".");
  const groups = Array.from({ length: 8 }, (_, i) => ((value >> BigInt(112 - 16 * i)) & 0xffffn).toString(16));
  return compress(groups);
}

/** RFC 5952: the longest run of two or more zero groups becomes `::`. */
function compress(groups: readonly string[]): string {
  const runs = [...groups.join(":").matchAll(/(?<![^:])0(?::0)+(?![^:])/g)];
  const longest = runs.sort((a, b) => b[0].length - a[0].length || a.index - b.index)[0];
  const text = groups.join(":");
  if (longest === undefined) return text;
  const before = text.slice(0, longest.index).replace(/:$/, "");
  const after = text.slice(longest.index + longest[0].length).replace(/^:/, "");
  return `${before}::${after}`;
}
