import { describe, expect, test } from "vitest";
import { suppressConsequences } from "./suppression.ts";
import type { Trouble } from "./trouble.ts";

function trouble(code: string, given: Partial<Trouble> = {}): Trouble {
  return {
    area: "workloads",
    level: "error",
    code: code as Trouble["code"],
    where: "",
    text: `${code} is wrong`,
    evidence: [],
    consequence: "",
    commands: [],
    ...given,
  };
}

const codes = (troubles: readonly Trouble[]) => suppressConsequences(troubles).map(({ code }) => code);

describe("root causes", () => {
  test.each<[string, Trouble[], string[]]>([
    ["nothing is nothing", [], []],
    ["what nothing explains stays", [trouble("a"), trouble("b")], ["a", "b"]],
    ["a cause takes its consequence in", [trouble("a", { explainedBy: ["b"] }), trouble("b")], ["b"]],
    ["an absent cause takes nothing in", [trouble("a", { explainedBy: ["z"] })], ["a"]],
    [
      "causes have causes",
      [trouble("a", { explainedBy: ["b"] }), trouble("b", { explainedBy: ["c"] }), trouble("c")],
      ["c"],
    ],
    [
      "a key is a narrower name than the code",
      [trouble("a", { explainedBy: ["k:2"] }), trouble("c", { keys: ["k:1"] }), trouble("c", { keys: ["k:2"] })],
      ["c", "c"],
    ],
    [
      "a key that nobody has explains nothing",
      [trouble("a", { explainedBy: ["k:2"] }), trouble("c", { keys: ["k:1"] })],
      ["a", "c"],
    ],
    ["a ring stays", [trouble("a", { explainedBy: ["b"] }), trouble("b", { explainedBy: ["a"] })], ["a", "b"]],
    ["nobody explains himself", [trouble("a", { explainedBy: ["a"] })], ["a"]],
    ["two of a kind do not explain each other", [trouble("a"), trouble("a")], ["a", "a"]],
    ["errors come first", [trouble("w", { level: "warning" }), trouble("e")], ["e", "w"]],
  ])("%s", (_, given, expected) => {
    expect(codes(given)).toEqual(expected);
  });

  test("keep what they took in as evidence, and its level", () => {
    const [root] = suppressConsequences([
      trouble("a", { explainedBy: ["b"], evidence: ["one", "two", "three"], consequence: "nothing works" }),
      trouble("b", { level: "warning", evidence: ["own"], consequence: "one less" }),
    ]);
    expect(root).toMatchObject({ code: "b", level: "error", consequence: "nothing works" });
    expect(root).toMatchObject({ evidence: ["own", "a is wrong", "one", "two"] });
  });

  test("keep evidence short", () => {
    const many = Array.from({ length: 20 }, (_, i) => trouble(`a${i}`, { explainedBy: ["b"] }));
    const [root] = suppressConsequences([...many, trouble("b")]);
    expect(root?.evidence).toHaveLength(9);
    expect(root?.evidence.at(-1)).toBe("and 12 more");
  });
});
