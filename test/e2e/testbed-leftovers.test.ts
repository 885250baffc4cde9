import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, globSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { BEDS_DIRECTORY, listBeds, removeLeftovers } from "../../testbed/bed.ts";
import { namespacesOf } from "../../testbed/leftovers.ts";
import { markedProcesses } from "../../testbed/processes.ts";
import { describeWithCluster } from "./kubernetes.ts";

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
