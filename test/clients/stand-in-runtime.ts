/** A container runtime of one running pod, for agents on a machine without a kubelet (CRI v1, over a Unix socket). */
import { createServer } from "node:http2";
import { encodeMessage } from "../../src/protobuf/message.ts";

interface RunningPod {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
}

/** Listens until it is closed. */
export async function startRuntime(socket: string, pod: RunningPod): Promise<{ close(): void }> {
  const sandbox = encodeMessage((list) =>
    list.message(1, (item) => {
      item.string(1, "sandbox");
      item.message(2, (metadata) => {
        metadata.string(1, pod.name);
        metadata.string(2, pod.uid);
        metadata.string(3, pod.namespace);
      });
    }),
  );
  const container = encodeMessage((list) =>
    list.message(1, (item) => {
      item.string(1, "container");
      item.string(2, "sandbox");
      item.message(3, (metadata) => metadata.string(1, "main"));
      item.varint(6, 1); // running
    }),
  );
  const version = encodeMessage((writer) => writer.string(2, "stand-in"));
  const answers: Readonly<Record<string, Uint8Array>> = {
    Version: version,
    ListPodSandbox: sandbox,
    ListContainers: container,
  };
  const server = createServer();
  server.on("stream", (stream, headers) => {
    const method = headers[":path"]?.split("/").at(-1) ?? "";
    const body = answers[method];
    if (body === undefined) throw new Error(`the stand-in runtime has no ${method}`);
    stream.respond({ ":status": 200, "content-type": "application/grpc" }, { waitForTrailers: true });
    stream.on("wantTrailers", () => stream.sendTrailers({ "grpc-status": "0" }));
    const length = Buffer.alloc(5);
    length.writeUInt32BE(body.length, 1);
    stream.end(Buffer.concat([length, body]));
  });
  await new Promise<void>((resolve) => server.listen(socket, resolve));
  return { close: () => server.close() };
}
