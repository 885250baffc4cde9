import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, globSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { BEDS_DIRECTORY, listBeds, removeLeftovers } from "../../testbed/bed.ts";
import { namespacesOf } from "../../testbed/leftovers.ts";
import { markedProcesses } from "../../testbed/processes.ts";
import { waitFor } from "../../testbed/wait.ts";
import { describeWithCluster } from "./kubernetes.ts";

const PROJECT = join(import.meta.dirname, "../..");

const PROGRAM = `
import { startControlPlane } from ${JSON.stringify(join(import.meta.dirname, "../../testbed/control-plane.ts"))};
const plane = await startControlPlane();
await plane.addNode("node1");
console.log(plane.bed.id);
setInterval(() => {}, 1000);
`;

/** Runs a cluster with a node in another process. Returns the bed's id once it is up. */
async function startElsewhere() {
  const child = spawn(process.execPath, ["--input-type=module-typescript", "--eval", PROGRAM], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const [line] = (await once(child.stdout, "data")) as [Buffer];
  return { child, id: line.toString().trim() };
}

/** Runs a test that makes a bed, and does not end by itself. Returns the bed's id once it is there. */
async function startTestsElsewhere() {
  const directory = mkdtempSync(join(tmpdir(), "kubemend-e2e-interrupted-"));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  const reported = join(directory, "id");
  const files = {
    "config.mjs": `export default { test: {
      globals: true, testTimeout: 60_000, include: [${JSON.stringify(join(directory, "endless.test.mjs"))}],
      globalSetup: [${JSON.stringify(join(import.meta.dirname, "setup.ts"))}],
    } };`,
    "endless.test.mjs": `
      import { writeFileSync } from "node:fs";
      import { createBed } from ${JSON.stringify(join(PROJECT, "testbed/bed.ts"))};
      test("is endless", async () => {
        const bed = createBed();
        bed.start("sleep", ["sleep", "1000"]);
        writeFileSync(${JSON.stringify(reported)}, bed.id);
        await new Promise(() => {});
      });`,
  };
  for (const [name, text] of Object.entries(files)) writeFileSync(join(directory, name), text);
  const vitest = join(PROJECT, "node_modules/vitest/vitest.mjs");
  const run = spawn(process.execPath, [vitest, "run", "--root", directory, "--config", join(directory, "config.mjs")], {
    stdio: "ignore",
  });
  const id = await waitFor("the test's bed", () => (existsSync(reported) ? readFileSync(reported, "utf8") : undefined));
  await waitFor("its process", () => traces(id).includes("process sleep"));
  return { run, id };
}

/** Everything on this machine that carries the id. */
function traces(id: string): string[] {
  return [
    ...markedProcesses(id).map(({ name }) => `process ${name}`),
    ...namespacesOf(id).map((name) => `namespace ${name}`),
    ...globSync(`/sys/fs/cgroup/{,*/}${id}`).map((path) => `cgroup ${path}`),
    ...(existsSync(join(BEDS_DIRECTORY, id)) ? ["directory"] : []),
  ];
}

describeWithCluster("what a run leaves behind", () => {
  test("nothing, when it is interrupted", async () => {
    const { child, id } = await startElsewhere();
    expect(traces(id)).toContain("process node1-kubelet");
    child.kill("SIGINT");
    await once(child, "exit");
    expect(child.exitCode).toBe(130);
    expect(traces(id)).toEqual([]);
  });

  test("nothing, when it is a run of tests that is interrupted", async () => {
    const { run, id } = await startTestsElsewhere();
    expect(traces(id)).toContain("process sleep");
    run.kill("SIGINT");
    await once(run, "exit");
    expect(run.exitCode).not.toBe(0);
    expect(traces(id)).toEqual([]);
  });

  test("everything, when it is killed, until the next run removes it", async () => {
    const { child, id } = await startElsewhere();
    child.kill("SIGKILL");
    await once(child, "exit");
    expect(traces(id)).toContain("process node1-kubelet");
    expect(listBeds().map((bed) => bed.id)).toContain(id);
    expect(removeLeftovers()).toContain(id);
    expect(traces(id)).toEqual([]);
  });
});
