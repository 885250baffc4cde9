import { describe, expect, test } from "vitest";
import { findingsIn, sampleBolt } from "../../test/damage/sample-bolt.ts";
import { readBolt } from "./bolt.ts";
import { memorySource } from "./byte-source.ts";
import { encodeMeta, type Meta } from "./meta.ts";
import { decodePageHeader, encodePageHeader, PageFlag } from "./page.ts";

const PAGE = 4096;
const clean = sampleBolt({ freelist: "page" });
const { meta } = readBolt(memorySource(clean));

/** Page ids by kind, overflow pages left out. */
const pages = { branch: [] as number[], leaf: [] as number[], freelist: [] as number[] };
for (let id = 2; id < meta.highWater; ) {
  const header = decodePageHeader(new DataView(clean.buffer), id * PAGE);
  const kind = (["branch", "leaf", "freelist"] as const).find((name) => PageFlag[name] === header.flags)!;
  pages[kind].push(id);
  id += 1 + header.overflow;
}

function damaged(change: (bytes: Uint8Array, view: DataView) => void): Uint8Array {
  const bytes = clean.slice();
  change(bytes, new DataView(bytes.buffer));
  return bytes;
}

function withMeta(bytes: Uint8Array, change: Partial<Meta>): Uint8Array {
  for (const page of [0, 1] as const) bytes.set(encodeMeta(page, { ...meta, ...change }), page * PAGE);
  return bytes;
}

const codes = (bytes: Uint8Array): string[] => [...new Set(findingsIn(bytes).map((finding) => finding.code))].sort();

test("the sample has every kind of page, and no findings", () => {
  expect(pages.branch.length).toBeGreaterThan(3);
  expect(pages.leaf.length).toBeGreaterThan(60);
  expect(pages.freelist.length).toBe(1);
  expect(findingsIn(clean)).toEqual([]);
});

test.each([1024, 2048, 8192, 16384, 32768, 65536])("a file of %i-byte pages has no findings", (pageSize) => {
  expect(findingsIn(sampleBolt({ pageSize }))).toEqual([]);
});

describe("a damaged field of a page header is found, and names the page", () => {
  const fields = [
    ["id", (view: DataView, at: number) => view.setUint32(at, view.getUint32(at, true) + 1, true)],
    ["flags", (view: DataView, at: number) => view.setUint16(at + 8, 0x20, true)],
    ["flags of another kind", (view: DataView, at: number) => view.setUint16(at + 8, PageFlag.meta, true)],
    ["overflow", (view: DataView, at: number) => view.setUint32(at + 12, 0xffff_fff0, true)],
    ["count", (view: DataView, at: number) => view.setUint16(at + 10, 0xfff0, true)],
  ] as const;
  test.each(fields)("%s", (_, change) => {
    for (const id of [...pages.branch, ...pages.leaf, ...pages.freelist]) {
      const findings = findingsIn(damaged((_bytes, view) => change(view, id * PAGE)));
      expect(
        findings.some(
          (finding) => finding.level === "error" && `${finding.where} ${finding.text}`.includes(`page ${id}`),
        ),
        `page ${id}`,
      ).toBe(true);
    }
  });
});

describe("each kind of damage has its code", () => {
  const [leaf, otherLeaf] = pages.leaf as [number, number];
  const branch = pages.branch.at(-1)!;

  test("out of bounds: a leaf element that points behind its page", () => {
    expect(codes(damaged((_b, view) => view.setUint32(leaf * PAGE + 16 + 12, PAGE * 2, true)))).toContain(
      "page-out-of-bounds",
    );
  });
  test("out of range: a child beyond the high-water mark", () => {
    expect(codes(damaged((_b, view) => view.setUint32(branch * PAGE + 16 + 8, meta.highWater, true)))).toContain(
      "page-out-of-range",
    );
  });
  test("doubly referenced: two children that are the same page", () => {
    const bytes = damaged((_b, view) =>
      view.setUint32(branch * PAGE + 32 + 8, view.getUint32(branch * PAGE + 16 + 8, true), true),
    );
    expect(codes(bytes)).toContain("page-double-referenced");
  });
  test("a cycle: a branch that is its own child", () => {
    const bytes = damaged((_b, view) => view.setUint32(branch * PAGE + 32 + 8, branch, true));
    expect(codes(bytes).filter((code) => code === "page-double-referenced" || code === "page-flags")).not.toEqual([]);
  });
  test("a cycle at the leftmost child, whose depth has no end", () => {
    const bytes = damaged((_b, view) => view.setUint32(branch * PAGE + 16 + 8, branch, true));
    expect(codes(bytes)).toContain("page-double-referenced");
  });
  test("key order, inside a page", () => {
    const bytes = damaged((b, view) => {
      const key = leaf * PAGE + 32 + view.getUint32(leaf * PAGE + 32 + 4, true);
      b[key] = 0;
    });
    expect(codes(bytes)).toEqual(["key-order"]);
  });
  test("key order, across pages", () => {
    const bytes = damaged((b, view) => {
      const at = otherLeaf * PAGE;
      const last = at + 16 + 16 * (view.getUint16(at + 10, true) - 1);
      b[last + view.getUint32(last + 4, true)] = 0xff;
    });
    expect(codes(bytes)).toEqual(["key-order"]);
  });
  test("unreachable: a page that neither a bucket nor the freelist holds", () => {
    const grown = new Uint8Array(clean.length + 3 * PAGE);
    grown.set(clean);
    const findings = findingsIn(withMeta(grown, { highWater: meta.highWater + 3 }));
    expect(findings.map(({ code, where }) => `${code} ${where}`)).toEqual([
      `page-unreachable pages ${meta.highWater}-${meta.highWater + 2}`,
    ]);
  });
  test("unreached pages are free where there is no freelist, as etcd has it", () => {
    const grown = new Uint8Array(clean.length + 3 * PAGE);
    grown.set(clean);
    expect(findingsIn(withMeta(grown, { highWater: meta.highWater + 3, freelist: undefined }))).toEqual([]);
  });
  test("freed but used, freed twice, freed out of range", () => {
    const at = pages.freelist[0]! * PAGE;
    const bytes = damaged((_b, view) => {
      encodePageHeader(view, at, { id: pages.freelist[0]!, flags: PageFlag.freelist, count: 4, overflow: 0 });
      for (const [i, id] of [leaf, leaf, meta.highWater, 1].entries()) {
        view.setBigUint64(at + 16 + i * 8, BigInt(id), true);
      }
    });
    expect(codes(bytes)).toEqual(["page-freed-but-used", "page-freed-twice", "page-out-of-range"]);
  });
  test("a long freelist, whose count is the first number", () => {
    const at = pages.freelist[0]! * PAGE;
    const bytes = damaged((_b, view) => {
      encodePageHeader(view, at, { id: pages.freelist[0]!, flags: PageFlag.freelist, count: 0xffff, overflow: 0 });
      view.setBigUint64(at + 16, 1n, true);
      view.setBigUint64(at + 24, BigInt(leaf), true);
    });
    expect(codes(bytes)).toEqual(["page-freed-but-used"]);
    const absurd = damaged((_b, view) => {
      encodePageHeader(view, at, { id: pages.freelist[0]!, flags: PageFlag.freelist, count: 0xffff, overflow: 0 });
      view.setBigUint64(at + 16, 1n << 60n, true);
    });
    expect(codes(absurd)).toEqual(["page-out-of-bounds"]);
  });
  test("truncation at every page: reported once for the file, and for each page that is gone", () => {
    for (let count = 3; count < meta.highWater; count += 7) {
      const found = codes(clean.slice(0, count * PAGE));
      expect(found).toContain("file-truncated");
    }
    expect(codes(clean.slice(0, clean.length - 1))).toContain("file-truncated");
  });
  test("one broken meta is a warning, and the other one is used", () => {
    for (const page of [0, 1]) {
      const findings = findingsIn(damaged((b) => b.fill(0, page * PAGE, page * PAGE + 80)));
      expect(findings.map(({ level, code, where }) => `${level} ${code} ${where}`)).toEqual([
        `warning meta-invalid page ${page}`,
      ]);
    }
  });
  test("an inline bucket that is cut off", () => {
    const bytes = damaged((b) => {
      const text = new TextDecoder("latin1").decode(b);
      b[text.indexOf("inline") + 6 + 16 + 8] = 0x80; // its page's flags
    });
    expect(codes(bytes)).toEqual(["bucket-invalid"]);
  });
});
