import { expect, test } from "vitest";
import { fc } from "../../test/properties.ts";
import {
  decodeProtectedCopy,
  encodeProtectedCopy,
  isSameCopy,
  type ProtectedCopy,
  readProtectionKey,
} from "./protected-copy.ts";

const KEY = Buffer.alloc(32, 7);
const OTHER_KEY = Buffer.alloc(32, 8);
const SECRET = "-----BEGIN PRIVATE KEY-----";
const COPY: ProtectedCopy = {
  taken: "2026-11-21T12:00:00.000Z",
  manifest: { path: "/m/a.yaml", mode: 0o600, uid: 0, gid: 0, bytes: Buffer.from("kind: Pod") },
  files: [{ path: "/pki/a.key", mode: 0o640, uid: 1, gid: 2, bytes: Buffer.from(SECRET) }],
};

test.each([undefined, KEY])("is read back with key %s, and damage anywhere is noticed", (key) => {
  const bytes = encodeProtectedCopy(COPY, key);
  const back = decodeProtectedCopy(bytes, key) as ProtectedCopy;
  expect(back.taken).toBe(COPY.taken);
  expect(isSameCopy(back, COPY)).toBe(true);
  fc.assert(
    fc.property(fc.nat({ max: bytes.length - 1 }), fc.integer({ min: 1, max: 255 }), (at, flip) => {
      const damaged = Uint8Array.from(bytes);
      damaged[at]! ^= flip;
      expect(["damaged", "locked"]).toContain(decodeProtectedCopy(damaged, key));
    }),
  );
  for (const length of [0, 10, 60, bytes.length - 1]) {
    expect(decodeProtectedCopy(bytes.subarray(0, length), key)).toBe("damaged");
  }
});

test("an encrypted copy shows nothing, and opens with its own key alone", () => {
  const bytes = encodeProtectedCopy(COPY, KEY);
  expect(Buffer.from(bytes).includes(Buffer.from(SECRET).toString("base64"))).toBe(false);
  expect(Buffer.from(bytes).includes("/pki")).toBe(false);
  expect(decodeProtectedCopy(bytes, undefined)).toBe("locked");
  expect(decodeProtectedCopy(bytes, OTHER_KEY)).toBe("locked");
});

test("a plain copy is read with a key too: one was given later", () => {
  expect(decodeProtectedCopy(encodeProtectedCopy(COPY, undefined), KEY)).toMatchObject({ taken: COPY.taken });
});

test("a key is 32 bytes in base64", () => {
  expect(readProtectionKey(`${KEY.toString("base64")}\n`, "k")).toEqual(KEY);
  for (const wrong of ["", "secret", KEY.toString("hex"), KEY.subarray(1).toString("base64")]) {
    expect(() => readProtectionKey(wrong, "k")).toThrow('"k" holds no key');
  }
});

test("copies differ by content, mode, owner and names", () => {
  const file = COPY.files[0]!;
  for (const change of [{ bytes: Buffer.from("x") }, { mode: 0o600 }, { uid: 9 }, { gid: 9 }, { path: "/b" }]) {
    expect(isSameCopy(COPY, { ...COPY, files: [{ ...file, ...change }] })).toBe(false);
  }
  expect(isSameCopy(COPY, { ...COPY, files: [] })).toBe(false);
});
