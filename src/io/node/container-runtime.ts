/**
 * The container runtime of this node (containerd, CRI-O, cri-dockerd), spoken to over its socket as the kubelet does:
 * the Container Runtime Interface, `runtime.v1`, or `runtime.v1alpha2` where that is all it serves. Nothing of it needs
 * an API server or a kubelet.
 */
import { existsSync, statSync } from "node:fs";
import { MendError } from "../../errors/errors.ts";
import { systemCode } from "../../errors/system-error.ts";
import { recordChange } from "../audit/audit-trail.ts";
import { openGrpc } from "../network/grpc.ts";
import { type GrpcFailures, waited } from "../network/grpc-failures.ts";
import {
  decodeContainerStatus,
  decodeContainers,
  decodeImageStatus,
  decodeImages,
  decodePodSandboxes,
  decodeVersion,
  EMPTY_REQUEST,
  encodeId,
  encodeImageStatus,
  encodeStopContainer,
  encodeVersionRequest,
  type PodSandbox,
  type RuntimeContainer,
  type RuntimeContainerStatus,
  type RuntimeImage,
  type RuntimeVersion,
} from "./container-runtime-messages.ts";
import type { LocalKubelet } from "./local-node.ts";

type CriVersion = "v1" | "v1alpha2";

/**
 * An open connection. All calls throw `runtime-unreachable`, `runtime-refused`, `permission-denied` or `timeout`, or
 * the signal's reason.
 */
export interface ContainerRuntime {
  /** `unix:///run/containerd/containerd.sock` */
  readonly endpoint: string;
  readonly cri: CriVersion;
  readonly version: RuntimeVersion;
  /** Ready and not. */
  podSandboxes(): Promise<PodSandbox[]>;
  /** Ends what still runs in it, and frees its network. One that is stopped or gone already is no error. */
  stopPodSandbox(id: string): Promise<void>;
  /** Removes it and its containers. One that is gone already is no error. */
  removePodSandbox(id: string): Promise<void>;
  /** In every state. */
  containers(): Promise<RuntimeContainer[]>;
  /** Undefined for one that is gone. */
  containerStatus(id: string): Promise<RuntimeContainerStatus | undefined>;
  /** Asks it to end, and ends it when it has not after `graceSeconds`. One that is stopped or gone already is no error. */
  stopContainer(id: string, graceSeconds: number): Promise<void>;
  /** One that is gone already is no error. */
  removeContainer(id: string): Promise<void>;
  images(): Promise<RuntimeImage[]>;
  /** Undefined for one that is not there. */
  imageStatus(image: string): Promise<RuntimeImage | undefined>;
  close(): void;
}

export interface ContainerRuntimeOptions {
  /** Milliseconds for one call; 30 s unless given. */
  readonly timeout?: number;
  readonly signal?: AbortSignal | undefined;
  /** Taken without trying; the newest that is served unless given. */
  readonly cri?: CriVersion;
}

/** Where runtimes listen unless set otherwise, the kubelet's order of preference: containerd, CRI-O, cri-dockerd, k3s. */
const WELL_KNOWN = [
  "/run/containerd/containerd.sock",
  "/run/crio/crio.sock",
  "/run/cri-dockerd.sock",
  "/run/k3s/containerd/containerd.sock",
];
const VERSIONS: readonly CriVersion[] = ["v1", "v1alpha2"];
const TIMEOUT = 30_000;
const NOT_FOUND = 5;
const UNIMPLEMENTED = 12;

/**
 * Where the runtime listens: as the kubelet is configured, else the first of the well-known places that has a socket,
 * `unix:///PATH`. Undefined where there is none, as on a node whose kubelet talks to Docker by itself. `root` is put
 * before the well-known places.
 */
export function findRuntimeEndpoint(kubelet: LocalKubelet | undefined, root = ""): string | undefined {
  const configured = kubelet?.runtimeEndpoint;
  if (configured !== undefined) return /^\w+:/.test(configured) ? configured : `unix://${configured}`;
  const found = WELL_KNOWN.map((path) => root + path).find((path) => existsSync(path) && statSync(path).isSocket());
  return found === undefined ? undefined : `unix://${found}`;
}

/** Connects and asks who is there. Throws as {@link ContainerRuntime}'s calls do, and `unsupported` where it is no CRI runtime. */
export async function openContainerRuntime(
  endpoint: string,
  options: ContainerRuntimeOptions = {},
): Promise<ContainerRuntime> {
  const { timeout = TIMEOUT, signal } = options;
  if (!endpoint.startsWith("unix:")) {
    throw new MendError("unsupported", `the runtime's endpoint "${endpoint}" is no unix socket`, {
      where: endpoint,
      hint: "give a socket such as unix:///run/containerd/containerd.sock",
    });
  }
  const grpc = openGrpc(endpoint, { rejectUnauthorized: true }, timeout, FAILURES);
  let served: { cri: CriVersion; version: RuntimeVersion } | undefined;
  try {
    for (const cri of options.cri === undefined ? VERSIONS : [options.cri]) {
      try {
        const answer = await grpc.call(`/runtime.${cri}.RuntimeService/Version`, encodeVersionRequest(), { signal });
        served = { cri, version: decodeVersion(answer) };
        break;
      } catch (error) {
        if (statusOf(error) !== UNIMPLEMENTED) throw error;
      }
    }
    if (served === undefined) {
      throw new MendError("unsupported", `"${endpoint}" serves no container runtime interface`, {
        where: endpoint,
        hint: "enable its CRI plugin, or give the socket that the kubelet uses",
      });
    }
  } catch (error) {
    grpc.close();
    throw error;
  }
  const { cri, version } = served;

  function call(method: string, message: Uint8Array, patience = timeout): Promise<Uint8Array> {
    const service = method.endsWith("Images") || method.endsWith("ImageStatus") ? "ImageService" : "RuntimeService";
    return grpc.call(`/runtime.${cri}.${service}/${method}`, message, { signal, timeout: patience });
  }
  /** For what changes something. */
  async function callUnlessGone(method: string, id: string, message: Uint8Array, patience?: number): Promise<void> {
    try {
      await call(method, message, patience);
      recordChange({ action: method, target: id, by: endpoint });
    } catch (error) {
      if (statusOf(error) !== NOT_FOUND) throw error;
    }
  }

  return {
    endpoint,
    cri,
    version,
    podSandboxes: async () => decodePodSandboxes(await call("ListPodSandbox", EMPTY_REQUEST)),
    stopPodSandbox: (id) => callUnlessGone("StopPodSandbox", id, encodeId(id)),
    removePodSandbox: (id) => callUnlessGone("RemovePodSandbox", id, encodeId(id)),
    containers: async () => decodeContainers(await call("ListContainers", EMPTY_REQUEST)),
    async containerStatus(id) {
      try {
        return decodeContainerStatus(await call("ContainerStatus", encodeId(id)));
      } catch (error) {
        if (statusOf(error) === NOT_FOUND) return undefined;
        throw error;
      }
    },
    stopContainer: (id, graceSeconds) =>
      callUnlessGone("StopContainer", id, encodeStopContainer(id, graceSeconds), timeout + graceSeconds * 1000),
    removeContainer: (id) => callUnlessGone("RemoveContainer", id, encodeId(id)),
    images: async () => decodeImages(await call("ListImages", EMPTY_REQUEST)),
    imageStatus: async (image) => decodeImageStatus(await call("ImageStatus", encodeImageStatus(image))),
    close: () => grpc.close(),
  };
}

/** Carries the status, which is how a runtime says that something is gone. */
class RuntimeStatus extends Error {
  readonly status: number;
  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

function statusOf(error: unknown): number | undefined {
  return error instanceof MendError && error.cause instanceof RuntimeStatus ? error.cause.status : undefined;
}

const RUNNING_HINT = "check that the container runtime runs, with systemctl status containerd";
const UNREACHABLE: Readonly<Record<string, string>> = {
  ENOENT: "there is no such socket",
  ECONNREFUSED: "nothing listens there",
  ENOTSOCK: "it is no socket",
  ECONNRESET: "it closed the connection",
  EPIPE: "it closed the connection",
};

const FAILURES: GrpcFailures = {
  status(status, text, endpoint, method) {
    const cause = new RuntimeStatus(status, text);
    if (status === 4) return FAILURES.timedOut(endpoint, "answer", undefined);
    const code = status === 14 ? "runtime-unreachable" : status === 7 ? "permission-denied" : "runtime-refused";
    const message = text === "" ? `status ${status}` : text;
    return new MendError(
      code,
      `the container runtime refuses ${method.slice(method.lastIndexOf("/") + 1)}: ${message}`,
      {
        where: endpoint,
        hint: "see the container runtime's log",
        cause,
      },
    );
  },
  transport(error, endpoint) {
    if (error instanceof MendError || !(error instanceof Error) || error.name === "AbortError") return error;
    const code = systemCode(error);
    if (code === "EACCES" || code === "EPERM") {
      return new MendError("permission-denied", `cannot talk to the container runtime at "${endpoint}"`, {
        where: endpoint,
        hint: "run it as root, such as with sudo",
        cause: error,
      });
    }
    const why = (code === undefined ? undefined : UNREACHABLE[code]) ?? code ?? "the connection ended";
    return new MendError("runtime-unreachable", `cannot reach the container runtime at "${endpoint}": ${why}`, {
      where: endpoint,
      hint: RUNNING_HINT,
      cause: error,
    });
  },
  foreign: (found, endpoint) =>
    new MendError("runtime-unreachable", `"${endpoint}" gave no gRPC answer: ${found}`, {
      where: endpoint,
      hint: "give the container runtime's socket, such as unix:///run/containerd/containerd.sock",
    }),
  tooLarge: (bytes, endpoint) =>
    new MendError("runtime-refused", `"${endpoint}" sends a message of ${bytes} bytes, more than any runtime does`, {
      where: endpoint,
    }),
  noAnswer: (endpoint, method) =>
    new MendError("runtime-refused", `"${endpoint}" sent no answer to ${method}`, { where: endpoint }),
  timedOut: (endpoint, what, milliseconds) =>
    new MendError("timeout", `the container runtime at "${endpoint}" did not ${what} ${waited(milliseconds)}`, {
      where: endpoint,
      hint: RUNNING_HINT,
    }),
};
