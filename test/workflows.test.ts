/**
 * The workflows are for a service that runs nothing of them here, so what can be known of them is: they are YAML of the
 * form that it reads, and every script, file, command and variable that they name is there.
 */
import { existsSync, globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { parseDocument } from "yaml";
import packageJson from "../package.json" with { type: "json" };
import { allCommands } from "./docs/commands.ts";

const ROOT = join(import.meta.dirname, "..");

interface Step {
  readonly uses?: string;
  readonly run?: string;
  readonly with?: Readonly<Record<string, unknown>>;
  readonly env?: Readonly<Record<string, unknown>>;
}

interface Job {
  readonly "runs-on": string;
  readonly "timeout-minutes": number;
  readonly strategy?: { readonly matrix: Readonly<Record<string, readonly unknown[]>> };
  readonly steps: readonly Step[];
}

interface Workflow {
  readonly name: string;
  readonly on: unknown;
  readonly permissions: Readonly<Record<string, string>>;
  readonly jobs: Readonly<Record<string, Job>>;
}

const files = globSync(".github/workflows/*.yaml", { cwd: ROOT });
const jobs = files.flatMap((file) => {
  const document = parseDocument(readFileSync(join(ROOT, file), "utf8"), { strict: true });
  if (document.errors[0] !== undefined) throw document.errors[0];
  const workflow = document.toJS() as Workflow;
  return Object.entries(workflow.jobs).map(([name, job]) => ({ title: `${file}: ${name}`, workflow, job }));
});

test("there are some, each with rights of its own and a name", () => {
  expect(jobs.length).toBeGreaterThan(4);
  for (const { workflow } of jobs) {
    expect(Object.keys(workflow)).toEqual(expect.arrayContaining(["name", "on", "permissions", "jobs"]));
  }
});

describe.each(jobs)("$title", ({ job }) => {
  const runs = job.steps.flatMap(({ run }) => (run === undefined ? [] : [run]));

  test("ends by itself, and each step is one of two kinds", () => {
    expect(job["timeout-minutes"]).toBeGreaterThan(0);
    expect(job["runs-on"]).toMatch(/^(?:(?:ubuntu|macos|windows)-[\d.]+(?:-arm)?|\$\{\{ matrix\.os \}\})$/);
    for (const step of job.steps) expect([step.uses, step.run].filter((each) => each !== undefined)).toHaveLength(1);
  });

  test("actions are named by what they are, not by a tag that can be moved", () => {
    for (const { uses } of job.steps) if (uses !== undefined) expect(uses).toMatch(/^[\w.-]+\/[\w./-]+@[0-9a-f]{40}$/);
  });

  test("each variable of a matrix that is used has values", () => {
    const used = [...JSON.stringify(job).matchAll(/matrix\.(\w+)/g)].map(([, name]) => name);
    const { include = [], ...lists } = job.strategy?.matrix ?? {};
    const declared = new Set([...Object.keys(lists), ...include.flatMap((each) => Object.keys(each as object))]);
    expect(used.filter((name) => !declared.has(name ?? ""))).toEqual([]);
    for (const values of Object.values(lists)) expect(values.length).toBeGreaterThan(0);
  });

  test("scripts of npm and files that it runs are there", () => {
    const scripts = runs.flatMap((run) =>
      [...run.matchAll(/npm run (?:--silent )?([\w:-]+)/g)].map(([, name]) => name),
    );
    expect(scripts.filter((name) => !Object.hasOwn(packageJson.scripts, name ?? ""))).toEqual([]);
    const named = runs.flatMap((run) =>
      [...run.matchAll(/(?<![\w/.-])((?:\.ci|tools|testbed|examples|deploy)\/[\w./-]+)/g)].map(([, path]) => path),
    );
    expect(named.filter((path) => !existsSync(join(ROOT, path ?? "")))).toEqual([]);
  });

  test("commands of kubemend that it runs are there, with their flags", async () => {
    const lines = runs.flatMap((run) => [...run.matchAll(/dist\/kubemend\.js (.*)/g)].map(([, line]) => line ?? ""));
    const commands = await allCommands();
    for (const line of lines) {
      const found = commands.find(({ words }) => line.startsWith(`${words} `));
      const flags = found?.command.options.map(({ long }) => long) ?? [];
      const typed = [...line.matchAll(/ (--[\w-]+)/g)].map(([, flag]) => flag);
      expect({ line, unknown: typed.filter((flag) => !flags.includes(flag)), found: found !== undefined }).toEqual({
        line,
        unknown: [],
        found: true,
      });
    }
  });
});
