/**
 * `node dying-agent.ts N DIRECTORY KUBECONFIG`: the checkpointer, which is killed at its N-th change of the disk, a
 * write cut in half. Ends with 0, after it has said so, when it has come to rest before that.
 */
import { placesIn } from "../../src/checkpoint/data-directory.ts";
import { PATIENCE } from "../../src/checkpoint/state.ts";
import type { FileSystem } from "../../src/io/files/durable/file-system.ts";
import { runCheckpointer } from "../../src/operations/checkpoint/checkpointer.ts";
import { thisMachine } from "../../src/operations/checkpoint/machine.ts";
import { Fault, faultyFileSystem } from "../faulty-file-system.ts";

const [at = "0", directory = "", kubeconfig = ""] = process.argv.slice(2);
const REST_MS = 6000;

/** Every fault is the end. */
function deadly<T extends object>(target: T): T {
  return new Proxy(target, {
    get(object, name, receiver) {
      const value: unknown = Reflect.get(object, name, receiver);
      if (typeof value !== "function") return value;
      return (...args: unknown[]) => {
        const die = (error: unknown): never => {
          if (error instanceof Fault) process.kill(process.pid, "SIGKILL");
          throw error;
        };
        try {
          const result: unknown = value.apply(object, args);
          if (result instanceof Promise) return result.catch(die);
          return name === "create" ? deadly(result as object) : result;
        } catch (error) {
          return die(error);
        }
      };
    },
  });
}

const rest = new AbortController();
const disk = faultyFileSystem("crash", Number(at));
let before = -1;
const watching = setInterval(() => {
  if (disk.operations() === before) rest.abort();
  before = disk.operations();
}, REST_MS);

await runCheckpointer({
  place: { nodeName: process.env.NODE_NAME ?? "", podName: undefined, namespace: "kube-system" },
  places: placesIn(directory),
  kubeconfig,
  hostIp: "127.0.0.1",
  lockFile: "/run/lock/pod-checkpointer.lock",
  machine: thisMachine("unix:///run/containerd/containerd.sock", 10_000),
  patience: { ...PATIENCE, grace: 1000, ended: 1000 },
  generations: 2,
  healthyAfterMs: 500,
  refreshMs: 60_000,
  metricsAddress: undefined,
  signal: rest.signal,
  now: Date.now,
  clock: () => performance.now(),
  log: (level, text, fields) => process.stderr.write(`${JSON.stringify({ level, text, ...fields })}\n`),
  fileSystem: deadly<FileSystem>(disk),
});
clearInterval(watching);
process.stdout.write(`${disk.operations()} changes\n`);
