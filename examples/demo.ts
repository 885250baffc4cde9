/**
 * `npm run demo`: recovers the control plane of a real cluster from a backup of its etcd, with nothing running. The
 * backup, `examples/self-hosted-cluster.db.gz`, was taken with `etcdctl snapshot save` (its keys are throw-away ones).
 * The result goes to `examples/out`, which git ignores.
 */
import { join } from "node:path";
import type { ProcessHost } from "../src/cli/host.ts";
import { run } from "../src/cli/run.ts";
import type { TextSink } from "../src/cli/terminal/printer.ts";

const ROOT = join(import.meta.dirname, "..");

function sink(stream: NodeJS.WriteStream): TextSink {
  return {
    isTTY: stream.isTTY === true,
    columns: stream.columns,
    write: (text) => new Promise((resolve) => stream.write(text.replaceAll(`${ROOT}/`, ""), () => resolve())),
  };
}

const host: ProcessHost = {
  stdout: sink(process.stdout),
  stderr: sink(process.stderr),
  env: {},
  cwd: ROOT,
  now: Date.now,
  signal: new AbortController().signal,
};

const BACKUP = "examples/self-hosted-cluster.db.gz";
const COMMANDS = [
  `snapshot status ${BACKUP}`,
  `recover --etcd-backup-file ${BACKUP} --kubeconfig examples/kubeconfig --recovery-dir examples/out --force`,
];

console.log("A cluster's etcd is gone, and its control plane with it. What is left is a backup file:");
for (const command of COMMANDS) {
  console.log(`\n$ kubemend ${command}`);
  const code = await run(command.split(" "), host);
  if (code !== 0) process.exit(code);
}
console.log("\nLook at examples/out: manifests that a kubelet can run, and the keys and certificates that they need.");
