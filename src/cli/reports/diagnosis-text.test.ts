import { expect, test } from "vitest";
import { cluster, facts, NOW, node } from "../../../test/healthy-facts.ts";
import { diagnose } from "../../diagnosis/diagnose.ts";
import { piecesOf } from "../terminal/styled.ts";
import { diagnosisText } from "./diagnosis-text.ts";

test("a diagnosis of thousands of nodes fits on a screen", () => {
  const nodes = Array.from({ length: 5000 }, (_, i) =>
    node(`node${i}`, {
      ...(i < 40 && { ready: "Unknown" as const, since: NOW - 60_000 }),
      ...(i % 10 === 5 && { cordoned: { since: NOW - 86_400_000 } }),
    }),
  );
  const result = {
    ...diagnose(facts({ cluster: cluster({ nodes }) })),
    ...{ time: new Date(NOW).toISOString(), server: "10.0.0.1:6443", node: null, milliseconds: 0, checkpointers: null },
  };
  const lines = [...piecesOf(diagnosisText(result))].join("").split("\n");
  expect(lines.length).toBeLessThan(40);
  expect(lines.find((line) => line.startsWith("BROKEN"))).toContain("40 of 5000 nodes are not ready");
  expect(lines.find((line) => line.startsWith("WARNING"))).toContain("500 nodes are cordoned");
  expect(lines.filter((line) => line.includes("and 497 more: -o json has all"))).toHaveLength(2);
});
