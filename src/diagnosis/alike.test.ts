import { expect, test } from "vitest";
import { cluster, facts, NOW, node } from "../../test/healthy-facts.ts";
import { diagnose } from "./diagnose.ts";

const cordoned = (count: number, since: number) =>
  Array.from({ length: count }, (_, i) => node(`node${i}`, { cordoned: { since } }));

test("a few nodes that are cordoned are a finding each", () => {
  const { troubles } = diagnose(facts({ cluster: cluster({ nodes: cordoned(5, NOW - 86_400_000) }) }));
  expect(troubles.map(({ where }) => where)).toEqual(["node0", "node1", "node2", "node3", "node4"]);
});

test("hundreds of them are one finding, which has every one in its evidence and commands", () => {
  const { troubles, areas } = diagnose(facts({ cluster: cluster({ nodes: cordoned(300, NOW - 86_400_000) }) }));
  expect(troubles).toHaveLength(1);
  const [trouble] = troubles;
  expect(trouble).toMatchObject({ code: "node-cordoned", level: "warning", area: "nodes", where: "nodes" });
  expect(trouble?.text).toBe("300 nodes are cordoned: node0, node1, node2, node3, node4 and 295 more");
  expect(trouble?.evidence).toHaveLength(300);
  expect(trouble?.commands.at(-1)).toBe("kubectl uncordon node299");
  expect(areas.find(({ area }) => area === "nodes")?.state).toBe("warning");
});

test("those in maintenance and those that were forgotten are told apart", () => {
  const nodes = [
    ...cordoned(10, NOW - 86_400_000),
    ...Array.from({ length: 10 }, (_, i) => node(`busy${i}`, { cordoned: { since: NOW - 1000 } })),
  ];
  const { troubles } = diagnose(facts({ cluster: cluster({ nodes }) }));
  expect(troubles.map(({ level, text }) => [level, text.split(":")[0]])).toEqual([
    ["warning", "10 nodes are cordoned"],
    ["info", "10 nodes are cordoned"],
  ]);
});

test("budgets that let nothing go are named without their kind", () => {
  const disruptionBudgets = Array.from({ length: 40 }, (_, i) => ({
    ...{ namespace: "shop", name: `db-${i}`, allowed: 0, expected: 1, healthy: 1, desired: 1 },
    ...{ replicasToFree: 1, letsUnreadyGo: false },
  }));
  const { troubles } = diagnose(facts({ cluster: cluster({ disruptionBudgets }) }));
  expect(troubles.map(({ text }) => text)).toEqual([
    "40 disruption budgets never allow an eviction: shop/db-0, shop/db-1, shop/db-2, shop/db-3, shop/db-4 and 35 more",
  ]);
});
