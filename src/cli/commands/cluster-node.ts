import { MendError } from "../../errors/errors.ts";
import type { StepRequest } from "../../operations/cluster/node/run-step.ts";
import { EXIT } from "../command.ts";
import { defineCommand } from "../options/define-command.ts";

/** What `cluster restore` runs on each node. Its lines are for that, and for nobody to read. */
export const clusterNode = defineCommand({
  name: "node",
  isForPrograms: true,
  text: "one step of an operation on this node, asked for on stdin by the kubemend that leads it",
  flags: {},
  examples: ["kubemend cluster restore backup.db   # runs this on each node"],
  page: "docs/restore-a-cluster.md",
  async run(_, __, { host }) {
    const { runStep } = await import("../../operations/cluster/node/run-step.ts");
    const send = (line: unknown): Promise<void> => host.stdout.write(`${JSON.stringify(line)}\n`);
    try {
      const { request, rest } = await readRequest(host.stdin);
      const edges = { input: rest, report: (text: string) => void send({ progress: text }), signal: host.signal };
      await send({ result: await runStep(request, edges) });
      return undefined;
    } catch (error) {
      if (!(error instanceof MendError)) throw error;
      const { code, message, where, hint } = error;
      await send({ error: { code, message, where, hint } });
      return EXIT.failed;
    }
  },
});

/** A line of JSON, and the bytes behind it. */
async function readRequest(
  stdin: AsyncIterable<Uint8Array> | undefined,
): Promise<{ readonly request: StepRequest; readonly rest: AsyncIterable<Uint8Array> }> {
  const chunks = (stdin ?? none())[Symbol.asyncIterator]();
  let head = Buffer.alloc(0);
  for (;;) {
    const end = head.indexOf(0x0a);
    if (end >= 0) return { request: parseRequest(head.subarray(0, end)), rest: from(head.subarray(end + 1), chunks) };
    const next = await chunks.next();
    if (next.done === true || head.length > MOST_REQUEST_BYTES) throw noRequest();
    head = Buffer.concat([head, next.value]);
  }
}

/** A plan with the manifests of a node is a few tens of kilobytes. */
const MOST_REQUEST_BYTES = 16 * 1024 * 1024;

async function* from(first: Uint8Array, chunks: AsyncIterator<Uint8Array>): AsyncGenerator<Uint8Array> {
  if (first.length > 0) yield first;
  for (let next = await chunks.next(); next.done !== true; next = await chunks.next()) yield next.value;
}

async function* none(): AsyncGenerator<Uint8Array> {}

function parseRequest(line: Uint8Array): StepRequest {
  try {
    return JSON.parse(new TextDecoder().decode(line)) as StepRequest;
  } catch {
    throw noRequest();
  }
}

function noRequest(): MendError {
  return new MendError("usage", "no request came on stdin", {
    hint: "this is what kubemend cluster restore runs on each node: run that",
  });
}
