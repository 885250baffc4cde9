import { describe, expect, test } from "vitest";
import { holderHost, isHeldAt, latestLease, RenewalWatch, readLease, releasePatch, renewedAt } from "./lease.ts";
import type { KubeObject } from "./object.ts";

const metadata = { namespace: "kube-system", name: "kube-scheduler", resourceVersion: "77" };
const TIME = "2026-11-21T03:00:00.500000Z";
const AT = Date.parse(TIME);

function lease(spec: Record<string, unknown> = {}): KubeObject {
  const all = { holderIdentity: "m1_a", leaseDurationSeconds: 15, renewTime: TIME, leaseTransitions: 2, ...spec };
  return { apiVersion: "coordination.k8s.io/v1", kind: "Lease", metadata, spec: all } as KubeObject;
}

function annotated(kind: string, annotation: string): KubeObject {
  const annotations = { "control-plane.alpha.kubernetes.io/leader": annotation };
  return { apiVersion: "v1", kind, metadata: { ...metadata, annotations } } as KubeObject;
}

const RECORD =
  '{"holderIdentity":"m1_a","leaseDurationSeconds":15,"renewTime":"2026-11-21T03:00:00Z","leaderTransitions":2}';

describe("a leader's record", () => {
  const common = {
    namespace: "kube-system",
    name: "kube-scheduler",
    holder: "m1_a",
    durationSeconds: 15,
    transitions: 2,
  };
  test.each([
    ["a Lease", lease(), { ...common, kind: "Lease", renewTime: TIME, resourceVersion: "77" }],
    ["Endpoints, as 1.6 has them", annotated("Endpoints", RECORD), { ...common, kind: "Endpoints" }],
    ["a config map", annotated("ConfigMap", RECORD), { ...common, kind: "ConfigMap" }],
    ["one given up", lease({ holderIdentity: "" }), { holder: "" }],
    ["one without a holder yet", lease({ holderIdentity: null, renewTime: null }), { holder: "", renewTime: "" }],
    ["a duration that is none", lease({ leaseDurationSeconds: "x" }), { durationSeconds: 15 }],
  ])("%s", (_, object, expected) => expect(readLease(object)).toMatchObject(expected));

  test.each([
    ["Endpoints without it", { ...annotated("Endpoints", ""), metadata } as KubeObject],
    ["an annotation that is another tool's", annotated("Endpoints", "me")],
  ])("%s: none", (_, object) => expect(readLease(object)).toBeUndefined());
});

test.each([
  ["renewed just now", {}, AT, true],
  ["renewed within its duration", {}, AT + 14_999, true],
  ["not renewed for longer", {}, AT + 15_000, false],
  ["given up", { holderIdentity: "" }, AT, false],
  ["never renewed", { renewTime: null }, AT, false],
  ["asked for longer", { leaseDurationSeconds: 60 }, AT + 59_000, true],
])("held: %s", (_, spec, now, expected) => expect(isHeldAt(readLease(lease(spec)), now)).toBe(expected));

test("of two records the one renewed last counts", () => {
  const old = readLease(annotated("Endpoints", RECORD));
  expect(latestLease([old, undefined, readLease(lease())])?.kind).toBe("Lease");
  expect(latestLease([readLease(lease({ renewTime: null })), old])?.kind).toBe("Endpoints");
  expect(latestLease([])).toBeUndefined();
  expect(renewedAt(readLease(lease({ renewTime: "x" }))!)).toBe(0);
});

test.each([
  ["node1_0c1b-2", "node1"],
  ["ip-10-0-0-1.us_west_x", "ip-10-0-0-1.us_west"],
  ["", ""],
])("the holder %j is on %j", (holder, host) => expect(holderHost({ holder })).toBe(host));

test("a lease counts as renewed when it was seen to change", () => {
  const watch = new RenewalWatch();
  watch.see([lease()]);
  watch.see([lease()]);
  expect([...watch.renewed]).toEqual([]);
  watch.see([lease({ renewTime: "2026-11-21T03:00:02Z" })]);
  expect([...watch.renewed]).toEqual(["kube-scheduler"]);
});

test("a record that is given up has no holder, and everything else is kept", () => {
  const given = (object: KubeObject) => releasePatch(readLease(object)!) as { metadata: KubeObject["metadata"] };
  expect(given(lease())).toEqual({
    metadata: { resourceVersion: "77" },
    spec: { holderIdentity: null, leaseDurationSeconds: 1 },
  });
  const { annotations, resourceVersion } = given(annotated("Endpoints", RECORD)).metadata;
  expect(resourceVersion).toBe("77");
  expect(readLease(annotated("Endpoints", Object.values(annotations!)[0]!))).toMatchObject({
    holder: "",
    durationSeconds: 1,
    renewTime: "2026-11-21T03:00:00Z",
    transitions: 2,
  });
});
