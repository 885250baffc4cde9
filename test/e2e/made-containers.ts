/** Pod sandboxes and containers as the kubelet makes them, where a test has none. kubemend itself never makes any. */
import { type GrpcConnection, openGrpc } from "../../src/io/network/grpc.ts";
import { createWireCursor, encodeMessage, type FieldWriter } from "../../src/protobuf/message.ts";
import { WEB } from "../../testbed/images.ts";

const HOST_NETWORK = 2;

export interface MadePod {
  readonly sandbox: string;
  readonly container: string;
}

/** A pod of the host's network with one running container `web`, whose cgroups lie below `cgroupParent`. */
export async function makePod(
  socket: string,
  namespace: string,
  name: string,
  cgroupParent: string,
  command: readonly string[] = ["/bin/sleep", "1000"],
): Promise<MadePod> {
  const grpc = openGrpc(`unix://${socket}`, { rejectUnauthorized: true }, 60_000);
  try {
    const labels = {
      "io.kubernetes.pod.namespace": namespace,
      "io.kubernetes.pod.name": name,
      "io.kubernetes.pod.uid": `uid-of-${name}`,
    };
    const config = encodeMessage((writer) => {
      writer.message(1, (metadata) => {
        metadata.string(1, name);
        metadata.string(2, `uid-of-${name}`);
        metadata.string(3, namespace);
        metadata.varint(4, 1);
      });
      writer.string(3, `/var/log/pods/${namespace}_${name}_uid-of-${name}`);
      map(writer, 6, labels);
      map(writer, 7, { note: "made for a test" });
      writer.message(8, (linux) => {
        linux.string(1, cgroupParent);
        linux.message(2, (security) => security.message(1, (namespaces) => namespaces.varint(1, HOST_NETWORK)));
      });
    });
    const sandbox = await id(grpc, "RunPodSandbox", (writer) => writer.bytes(1, config));
    const container = await id(grpc, "CreateContainer", (writer) => {
      writer.string(1, sandbox);
      writer.message(2, (wanted) => {
        wanted.message(1, (metadata) => metadata.string(1, "web"));
        wanted.message(2, (image) => image.string(1, WEB.name));
        for (const word of command) wanted.string(3, word);
        map(wanted, 9, { ...labels, "io.kubernetes.container.name": "web" });
        wanted.string(11, "web/0.log");
      });
      writer.bytes(3, config);
    });
    await grpc.call(
      "/runtime.v1.RuntimeService/StartContainer",
      encodeMessage((writer) => writer.string(1, container)),
    );
    return { sandbox, container };
  } finally {
    grpc.close();
  }
}

function map(writer: FieldWriter, field: number, values: Readonly<Record<string, string>>): void {
  for (const [key, value] of Object.entries(values)) {
    writer.message(field, (pair) => {
      pair.string(1, key);
      pair.string(2, value);
    });
  }
}

async function id(grpc: GrpcConnection, method: string, fill: (writer: FieldWriter) => void): Promise<string> {
  const answer = await grpc.call(`/runtime.v1.RuntimeService/${method}`, encodeMessage(fill));
  const fields = createWireCursor(answer, method, "internal");
  while (fields.next()) if (fields.field === 1) return new TextDecoder().decode(fields.bytes());
  throw new Error(`${method} gave no id`);
}
