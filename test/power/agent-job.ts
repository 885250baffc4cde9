/** The whole node agent, whose power is cut at any change: what it had reported as copied brings the API back. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { PowerJob } from "./power-job.ts";
import { copiesOf } from "./run-node-agent.ts";

const PROGRAM = join(import.meta.dirname, "run-node-agent.ts");

function inDirectory(directory: string, words: readonly string[]): void {
  const { status, stdout, stderr } = spawnSync(process.execPath, [PROGRAM, words[0]!, directory, ...words.slice(1)], {
    encoding: "utf8",
  });
  assert.equal(status, 0, `${stdout}${stderr}`);
}

/** Whether something was reported as copied in the state that is judged, for the run that follows. */
let mustServe = false;

export const AGENT_JOB: PowerJob = {
  name: "node agent",
  prepare: () => {},
  argv: (directory) => [PROGRAM, "live", directory],
  check(directory, { hasSpoken }) {
    mustServe = hasSpoken;
    const copies = copiesOf(directory);
    assert.ok(copies.length > 0 || !hasSpoken, "the copy that was reported is gone");
    for (const { secret } of copies) assert.match(secret, /^secret [12]$/);
    const running = join(directory, "manifests");
    if (!existsSync(running)) return;
    for (const name of readdirSync(running).filter((each) => !each.startsWith(".")))
      assert.equal((JSON.parse(readFileSync(join(running, name), "utf8")) as { kind: unknown }).kind, "Pod");
  },
  again: async (directory) => inDirectory(directory, ["boot", ...(mustServe ? ["must-serve"] : [])]),
};
