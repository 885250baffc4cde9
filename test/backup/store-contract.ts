/** What every kind of store does. */
import { randomBytes } from "node:crypto";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Store } from "../../src/io/stores/store.ts";

export async function names(store: Store, prefix: string, after?: string): Promise<string[]> {
  const found: string[] = [];
  for await (const { name } of store.list(prefix, after)) found.push(name);
  return found;
}

export async function* inPieces(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

export async function whole(content: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const parts: Buffer[] = [];
  for await (const part of content) parts.push(Buffer.from(part));
  return Buffer.concat(parts);
}

/** `open` gives an empty store; `sizes` are those of objects that go up and come down. */
export function contract(open: () => Promise<Store>, sizes: readonly number[] = [1, 5_000_000, 40_000_001]): void {
  let store: Store;
  beforeAll(async () => {
    store = await open();
  });
  afterAll(() => store.close());

  test("an object is written once, and read whole or in part", async () => {
    const bytes = randomBytes(10_000);
    expect(await store.create("chain/0000000001", bytes)).toBe(true);
    expect(await store.create("chain/0000000001", Buffer.from("other"))).toBe(false);
    expect(bytes.equals(await store.read("chain/0000000001"))).toBe(true);
    expect(bytes.subarray(100, 150).equals(await store.read("chain/0000000001", { from: 100, size: 50 }))).toBe(true);
    expect(bytes.subarray(9_990).equals(await store.read("chain/0000000001", { from: 9_990, size: 50 }))).toBe(true);
    expect(await store.read("chain/0000000001", { from: 20_000, size: 50 })).toHaveLength(0);
    expect((await whole(store.stream("chain/0000000001"))).equals(bytes)).toBe(true);
  });

  test("what is not there is said", async () => {
    await expect(store.read("chain/0000000009")).rejects.toMatchObject({ code: "not-found" });
    await expect(whole(store.stream("data/none"))).rejects.toMatchObject({ code: "not-found" });
    await store.remove("chain/0000000009");
    expect(await names(store, "pruned/")).toEqual([]);
  });

  test("lists are in order, by prefix, and from a name on; folders are those at the top", async () => {
    for (const name of ["chain/0000000003", "chain/0000000002", "data/x", "repository.json"])
      await store.create(name, Buffer.from(name));
    expect(await names(store, "chain/")).toEqual(["chain/0000000001", "chain/0000000002", "chain/0000000003"]);
    expect(await names(store, "chain/", "chain/0000000001")).toEqual(["chain/0000000002", "chain/0000000003"]);
    expect(await names(store, "")).toHaveLength(5);
    expect(await store.folders()).toEqual(["chain", "data"]);
    await store.remove("chain/0000000002");
    expect(await names(store, "chain/")).toEqual(["chain/0000000001", "chain/0000000003"]);
  });

  test.each(sizes)("%i bytes go up and come down", async (size) => {
    const bytes = randomBytes(size);
    await store.upload(`data/large-${size}`, inPieces(bytes, 1 << 20));
    expect((await whole(store.stream(`data/large-${size}`))).equals(bytes)).toBe(true);
  });

  test("of many who create one name at once, one succeeds", async () => {
    const results = await Promise.all(
      Array.from({ length: 12 }, (_, i) => store.create("chain/0000000100", Buffer.from(`writer ${i}`))),
    );
    expect(results.filter((won) => won)).toHaveLength(1);
    expect(String(await store.read("chain/0000000100"))).toBe(`writer ${results.indexOf(true)}`);
  });
}
