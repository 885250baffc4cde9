import { describe, expect, test } from "vitest";
import { fc } from "../../test/properties.ts";
import type { KubeObject } from "../kube/object.ts";
import type { Generation } from "./checkpoint.ts";
import { decodeGeneration, encodeGeneration, fingerprintOf, judge, kept, numbered } from "./generation.ts";

const manifest = (image: string, name = "web-aaaaa"): KubeObject =>
  ({
    apiVersion: "v1",
    kind: "Pod",
    metadata: {
      name,
      namespace: "kube-system",
      annotations: { "checkpointer.alpha.coreos.com/checkpoint-of": name },
    },
    spec: { containers: [{ name: "web", image, args: [`--name=${name}`] }] },
  }) as unknown as KubeObject;
const generation = (number: number, image: string, proven = true, name?: string): Generation =>
  numbered(manifest(image, name), { number, saved: "2026-01-01T00:00:00Z", proven });

test("one is read back as it was written", () => {
  const written = generation(7, "web:1", false);
  expect(decodeGeneration(encodeGeneration(written))).toEqual(written);
});

test("its number, time and proof are no part of what it is", () => {
  const prints = [generation(1, "web:1"), generation(2, "web:1", false)].map(({ fingerprint }) => fingerprint);
  expect(new Set([...prints, fingerprintOf(manifest("web:1"))]).size).toBe(1);
  expect(generation(1, "web:2").fingerprint).not.toBe(prints[0]);
});

test("any change of any byte is noticed, or changes nothing", () => {
  const written = generation(3, "web:1");
  const bytes = encodeGeneration(written);
  fc.assert(
    fc.property(fc.nat(bytes.length - 1), fc.integer({ min: 1, max: 255 }), (at, change) => {
      const damaged = bytes.slice();
      damaged[at] = damaged[at]! ^ change;
      const found = decodeGeneration(damaged);
      if (found !== "foreign" && !("wrong" in found)) expect(found.fingerprint).toBe(written.fingerprint);
    }),
    { numRuns: 2000 },
  );
  for (let length = 0; length < bytes.length - 1; length += 7) {
    expect(decodeGeneration(bytes.subarray(0, length))).toHaveProperty("wrong");
  }
});

test("other pods' manifests are foreign, and what is no pod is wrong", () => {
  const decode = (text: string) => decodeGeneration(Buffer.from(text));
  expect(decode('{"kind":"Pod","metadata":{"name":"etcd"},"spec":{}}')).toBe("foreign");
  for (const text of ["", "null", "[]", '{"kind":"Pod"}', '{"kind":"Pod","metadata":[],"spec":{}}', "{", '"a"']) {
    expect(decode(text)).toHaveProperty("wrong");
  }
});

describe("which copy is kept", () => {
  const candidate = (image: string, running: boolean, healthyFor: number, name?: string) => ({
    manifest: manifest(image, name),
    fingerprint: fingerprintOf(manifest(image, name)),
    running,
    healthyFor,
  });
  const AFTER = 30;
  const old = generation(1, "web:1");

  test("the first one as soon as its parent runs", () => {
    expect(judge(candidate("web:1", false, 0), [], AFTER).act).toBe("nothing");
    expect(judge(candidate("web:1", true, 0), [], AFTER)).toEqual({ act: "save", proven: false, instead: undefined });
    expect(judge(candidate("web:1", true, AFTER), [], AFTER)).toMatchObject({ act: "save", proven: true });
  });

  test("another one only when it has run healthy for a while", () => {
    expect(judge(candidate("web:2", false, 0), [old], AFTER).act).toBe("nothing");
    expect(judge(candidate("web:2", true, 10), [old], AFTER)).toEqual({ act: "wait", after: 20 });
    expect(judge(candidate("web:2", true, AFTER), [old], AFTER)).toMatchObject({ act: "save", instead: undefined });
  });

  test("one that was never healthy makes way, and so does one that differs in its name alone", () => {
    const unproven = generation(1, "web:1", false);
    expect(judge(candidate("web:2", true, AFTER), [unproven], AFTER)).toMatchObject({ instead: unproven });
    expect(judge(candidate("web:1", true, AFTER, "web-bbbbb"), [old], AFTER)).toMatchObject({ instead: old });
  });

  test("the same one is proven once", () => {
    const unproven = generation(1, "web:1", false);
    expect(judge(candidate("web:1", true, 10), [unproven], AFTER)).toEqual({ act: "wait", after: 20 });
    expect(judge(candidate("web:1", true, AFTER), [unproven], AFTER)).toEqual({ act: "prove", generation: unproven });
    expect(judge(candidate("web:1", true, AFTER), [old], AFTER).act).toBe("nothing");
  });

  test("as many as told, and the one that runs", () => {
    const all = [4, 3, 2, 1].map((number) => generation(number, `web:${number}`));
    expect(kept(all, 2, undefined).map(({ number }) => number)).toEqual([4, 3]);
    expect(kept(all, 2, all[3]!.fingerprint).map(({ number }) => number)).toEqual([4, 3, 1]);
  });
});
