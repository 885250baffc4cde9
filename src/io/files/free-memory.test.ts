import { expect, test } from "vitest";
import { freeMemory } from "./free-memory.ts";

test("bytes of their own are gone at once, and freeing them again does nothing", () => {
  const bytes = Buffer.allocUnsafeSlow(1 << 20);
  freeMemory(bytes);
  expect(bytes.buffer.byteLength).toBe(0);
  freeMemory(bytes);
});

test("what Node shares out among small buffers stays, and so does memory that threads share", () => {
  const [small, neighbour] = [Buffer.from("small"), Buffer.from("neighbour")];
  freeMemory(small);
  expect(`${small} ${neighbour}`).toBe("small neighbour");
  const shared = new Uint8Array(new SharedArrayBuffer(1 << 20));
  freeMemory(shared);
  expect(shared.length).toBe(1 << 20);
});
