import { expect, test } from "vitest";
import { encodeMetaPage } from "./encode-page.ts";

test("a meta has the checksum that etcd 3.4.23 wrote for the same fields", () => {
  const page = encodeMetaPage(0, {
    pageSize: 4096,
    rootPage: 0x1e7,
    rootSequence: 0n,
    freelistPage: undefined,
    highWaterMark: 0x246,
    transaction: 0x165n,
  });
  const view = new DataView(page.buffer);
  expect(page.length).toBe(4096);
  expect([0, 8, 16, 24, 32, 40, 48, 56, 64, 72, 80].map((at) => view.getBigUint64(at, true))).toEqual([
    0n,
    0x4n,
    0x2ed0cdaedn,
    0x1000n,
    0x1e7n,
    0n,
    0xffff_ffff_ffff_ffffn,
    0x246n,
    0x165n,
    0xc87ab8998c440781n,
    0n,
  ]);
});
