import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { kubemend } from "../../../test/kubemend.ts";
import { ERROR_CODES } from "../../errors/error-codes.ts";
import { FINDING_CODES } from "../../errors/finding-codes.ts";

test("a code, with a component's name in front or not, of an error, a finding or both", async () => {
  const crash = await kubemend("/", ["explain", "kube-apiserver-crash-loop"]);
  expect(crash).toEqual({
    code: 0,
    stdout:
      "kube-apiserver-crash-loop (finding): a container of the control plane ends again and again\nwhat to do: look at its log\n",
    stderr: "",
  });
  const both = await kubemend("/", ["explain", "snapshot-hash-mismatch", "-o", "json"]);
  expect(JSON.parse(both.stdout).explanations.map(({ kind }: { kind: string }) => kind)).toEqual(["error", "finding"]);
  expect(await kubemend("/", ["explain", "snapshot-hash-mismatc"])).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('did you mean "snapshot-hash-mismatch"?'),
  });
  expect((await kubemend("/", ["explain"])).stdout.split("\n").length).toBeGreaterThan(150);
});

test("every code is one that something says", () => {
  const src = join(import.meta.dirname, "../..");
  const others = globSync("**/*.ts", { cwd: src })
    .filter((file) => !file.endsWith(".test.ts") && !/^errors\/(error|finding)-codes/.test(file))
    .map((file) => readFileSync(join(src, file), "utf8"));
  const text = others.join("\n");
  // In quotes, or put together as `member-${role}`.
  const unused = [...Object.keys(ERROR_CODES), ...Object.keys(FINDING_CODES)].filter(
    (code) => !text.includes(`"${code}"`) && !/^member-(removed|learner|unknown)$/.test(code),
  );
  expect(unused).toEqual([]);
  const declared = readFileSync(join(src, "errors/errors.ts"), "utf8");
  const unthrown = Object.keys(ERROR_CODES).filter(
    (code) => declared.includes(`"${code}"`) && text.split(`"${code}"`).length < 3,
  );
  expect(unthrown).toEqual([]);
});

test("texts are sentences without a full stop, of a readable length", () => {
  for (const { means, todo } of [...Object.values(ERROR_CODES), ...Object.values(FINDING_CODES)]) {
    for (const text of [means, todo]) {
      expect(text).toMatch(/[^.\s]$/);
      expect(text.length).toBeLessThan(140);
    }
    // Something to do, "nothing", or when to do what: not a second meaning.
    expect(todo).not.toMatch(/^(it|its|the|this|that|what|there|moments) /);
  }
});
