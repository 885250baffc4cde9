import { expect, test } from "vitest";
import { formatMemberId, newMembership } from "../wal/membership.ts";
import { silentMembers } from "./silent-members.ts";

test("a member that has not started once is named as it was planned", () => {
  const urls = new Map(["m1", "m2", "m3"].map((name) => [name, [`https://${name}:2380`]] as const));
  const planned = newMembership(urls, "kubemend-restore-1");
  const ids = new Map(planned.members.map(({ id, name }) => [name, formatMemberId(id)]));
  const silent = (name: string, published: boolean) => {
    return { id: ids.get(name)!, name: published ? name : "", status: null };
  };
  expect(silentMembers([silent("m1", true), silent("m3", false)], planned)).toEqual(["m1", "m3"]);
  expect(silentMembers([{ id: "abc", name: "", status: null }], planned)).toEqual(["abc"]);
  const answers = { id: ids.get("m2")!, name: "", status: {} as never };
  expect(silentMembers([answers], planned)).toEqual([]);
});
