import { expect, test } from "vitest";
import { RequestStream } from "./request-stream.ts";

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const head = (payloadBytes?: number): string => `${JSON.stringify({ step: "survey", payloadBytes })}\n`;

/** Stdin that brings a text in pieces of so many bytes. */
async function* pieces(text: string, size: number): AsyncGenerator<Uint8Array> {
  const all = bytes(text);
  for (let at = 0; at < all.length; at += size) yield all.subarray(at, at + size);
}

/** Payloads of all requests to the end, undefined for those that nobody reads. */
async function readAll(stdin: AsyncIterable<Uint8Array>, isRead: (index: number) => boolean = () => true) {
  const found: (string | undefined)[] = [];
  const requests = new RequestStream(stdin);
  for (let next = await requests.next(); next !== undefined; next = await requests.next()) {
    expect(next.request).toEqual({ step: "survey" });
    const read: Uint8Array[] = [];
    if (isRead(found.length)) for await (const chunk of next.payload) read.push(chunk);
    found.push(isRead(found.length) ? Buffer.concat(read).toString() : undefined);
  }
  return found;
}

test.each([1, 2, 3, 7, 1000])("requests and their payloads, in pieces of %d bytes", async (size) => {
  const text = `${head(3)}a\nb${head(0)}${head(2)}{}${head()}the\nrest`;
  expect(await readAll(pieces(text, size))).toEqual(["a\nb", "", "{}", "the\nrest"]);
  expect(await readAll(pieces(text, size), (index) => index !== 0)).toEqual([undefined, "", "{}", "the\nrest"]);
});

test("a payload that the step did not read to its end is passed over", async () => {
  const requests = new RequestStream(pieces(`${head(6)}abcdef${head(1)}x`, 2));
  const first = await requests.next();
  for await (const _ of first!.payload) break;
  expect((await requests.next())?.isOneOfMany).toBe(true);
  expect(await requests.next()).toBeUndefined();
});

test("a payload that ends too early is as short as it came", async () => {
  expect(await readAll(pieces(`${head(100)}abc`, 2))).toEqual(["abc"]);
});

test("nothing after a request without the length of its payload", async () => {
  const requests = new RequestStream(pieces(`${head()}${head(0)}`, 5));
  expect((await requests.next())?.isOneOfMany).toBe(false);
  expect(await requests.next()).toBeUndefined();
});

test.each(["no JSON\n", "7\n", "null\n", '{"step":"survey"}'])("%j is no request", async (text) => {
  await expect(new RequestStream(pieces(text, 4)).next()).rejects.toMatchObject({ code: "usage" });
});

test("where nothing comes for long, that is the end", async () => {
  async function* silent(): AsyncGenerator<Uint8Array> {
    yield bytes(head(0));
    await new Promise(() => {});
  }
  const requests = new RequestStream(silent(), 20);
  expect(await requests.next()).toBeDefined();
  expect(await requests.next()).toBeUndefined();
});
