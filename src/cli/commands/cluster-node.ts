import { MendError } from "../../errors/errors.ts";
import { EXIT } from "../command.ts";
import { defineCommand } from "../options/define-command.ts";

/** What `cluster restore` runs on each node. Its lines are for that, and for nobody to read. */
export const clusterNode = defineCommand({
  name: "node",
  isForPrograms: true,
  text: "steps of an operation on this node, asked for on stdin by the kubemend that leads it",
  flags: {},
  examples: ["kubemend cluster restore backup.db   # runs this on each node"],
  page: "docs/restore-a-cluster.md",
  async run(_, __, { host }) {
    const { runStep } = await import("../../operations/cluster/node/run-step.ts");
    const { noRequest, RequestStream } = await import("../../operations/cluster/node/request-stream.ts");
    const send = (line: unknown): Promise<void> => host.stdout.write(`${JSON.stringify(line)}\n`);
    const report = (text: string): void => void send({ progress: text });
    const requests = new RequestStream(host.stdin ?? none());
    for (let isFirst = true; ; isFirst = false) {
      let isOneOfMany = false;
      try {
        const next = await requests.next();
        if (next === undefined && isFirst) throw noRequest();
        if (next === undefined) return undefined;
        ({ isOneOfMany } = next);
        await send({ result: await runStep(next.request, { input: next.payload, report, signal: host.signal }) });
        if (!isOneOfMany) return undefined;
      } catch (error) {
        if (!(error instanceof MendError)) throw error;
        const { code, message, where, hint } = error;
        await send({ error: { code, message, where, hint } });
        if (!isOneOfMany) return EXIT.failed;
      }
    }
  },
});

async function* none(): AsyncGenerator<Uint8Array> {}
