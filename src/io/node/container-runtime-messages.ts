/**
 * The messages of the Container Runtime Interface, as much of them as we use (`k8s.io/cri-api`,
 * `pkg/apis/runtime/v1/api.proto`). v1 and v1alpha2 have the same numbers for all of these fields; only the package's
 * name differs.
 */
import { createWireCursor, encodeMessage, type WireCursor } from "../../protobuf/message.ts";

export interface RuntimeVersion {
  /** Such as `containerd`, `cri-o` or `docker`. */
  readonly name: string;
  readonly version: string;
}

/** What holds a pod's namespaces. */
export interface PodSandbox {
  readonly id: string;
  readonly namespace: string;
  readonly name: string;
  /** The pod's UID; for a static pod it is the hash of its manifest. */
  readonly uid: string;
  /** How often the kubelet has made the sandbox again. */
  readonly attempt: number;
  readonly ready: boolean;
  /** Milliseconds since 1970. */
  readonly createdAt: number;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
}

type ContainerState = "created" | "running" | "exited" | "unknown";

export interface RuntimeContainer {
  readonly id: string;
  readonly sandboxId: string;
  /** The container's name in its pod. */
  readonly name: string;
  readonly attempt: number;
  readonly state: ContainerState;
  /** As the pod asks for it. */
  readonly image: string;
  /** The runtime's own name for the image, mostly its digest. */
  readonly imageRef: string;
  /** Milliseconds since 1970. */
  readonly createdAt: number;
  /** The kubelet's, among them `io.kubernetes.pod.namespace`, `io.kubernetes.pod.name`, `io.kubernetes.pod.uid`. */
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
}

export interface RuntimeContainerStatus {
  readonly id: string;
  readonly name: string;
  readonly attempt: number;
  readonly state: ContainerState;
  /** Milliseconds since 1970; 0 for what has not happened. */
  readonly createdAt: number;
  readonly startedAt: number;
  readonly finishedAt: number;
  readonly exitCode: number;
  readonly image: string;
  readonly imageRef: string;
  /** Such as `OOMKilled`, `Error`, `Completed`; often empty. */
  readonly reason: string;
  readonly message: string;
  /** The file that it logs to, in CRI's format (`TIME stdout|stderr F|P TEXT`). */
  readonly logPath: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
}

export interface RuntimeImage {
  readonly id: string;
  readonly tags: readonly string[];
  readonly digests: readonly string[];
  /** Bytes. */
  readonly size: number;
}

const STATES: readonly ContainerState[] = ["created", "running", "exited", "unknown"];
const NANOSECONDS = 1_000_000n;
const cursor = (message: Uint8Array): WireCursor =>
  createWireCursor(message, "the runtime's answer", "runtime-refused");
const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);
const time = (fields: WireCursor): number => Number(BigInt.asIntN(64, fields.bigint()) / NANOSECONDS);

export const EMPTY_REQUEST: Uint8Array = new Uint8Array(0);

export const encodeVersionRequest = (): Uint8Array => encodeMessage((writer) => writer.string(1, "v1"));

/** Of the requests that carry an id alone: stop, remove and status of a sandbox, remove and status of a container. */
export const encodeId = (id: string): Uint8Array => encodeMessage((writer) => writer.string(1, id));

export function encodeStopContainer(id: string, graceSeconds: number): Uint8Array {
  return encodeMessage((writer) => {
    writer.string(1, id);
    writer.varint(2, graceSeconds);
  });
}

export function encodeImageStatus(image: string): Uint8Array {
  return encodeMessage((writer) => writer.message(1, (spec) => spec.string(1, image)));
}

export function decodeVersion(message: Uint8Array): RuntimeVersion {
  const fields = cursor(message);
  const found = { name: "", version: "" };
  while (fields.next()) {
    if (fields.field === 2) found.name = text(fields.bytes());
    else if (fields.field === 3) found.version = text(fields.bytes());
  }
  return found;
}

export const decodePodSandboxes = (message: Uint8Array): PodSandbox[] => repeated(message, decodePodSandbox);
export const decodeContainers = (message: Uint8Array): RuntimeContainer[] => repeated(message, decodeContainer);
export const decodeImages = (message: Uint8Array): RuntimeImage[] => repeated(message, decodeImage);

/** An empty answer stands for an image that is not there. */
export const decodeImageStatus = (message: Uint8Array): RuntimeImage | undefined => repeated(message, decodeImage)[0];

/** Every list of CRI's is field 1. */
function repeated<T>(message: Uint8Array, decode: (item: Uint8Array) => T): T[] {
  const items: T[] = [];
  const fields = cursor(message);
  while (fields.next()) if (fields.field === 1) items.push(decode(fields.bytes()));
  return items;
}

function decodePodSandbox(message: Uint8Array): PodSandbox {
  const fields = cursor(message);
  const labels: Record<string, string> = {};
  const annotations: Record<string, string> = {};
  const found = { id: "", namespace: "", name: "", uid: "", attempt: 0, ready: true, createdAt: 0 };
  while (fields.next()) {
    const { field } = fields;
    if (field === 1) found.id = text(fields.bytes());
    else if (field === 2) {
      const metadata = cursor(fields.bytes());
      while (metadata.next()) {
        if (metadata.field === 1) found.name = text(metadata.bytes());
        else if (metadata.field === 2) found.uid = text(metadata.bytes());
        else if (metadata.field === 3) found.namespace = text(metadata.bytes());
        else if (metadata.field === 4) found.attempt = metadata.number();
      }
    } else if (field === 3) found.ready = fields.number() === 0;
    else if (field === 4) found.createdAt = time(fields);
    else if (field === 5) addPair(labels, fields.bytes());
    else if (field === 6) addPair(annotations, fields.bytes());
  }
  return { ...found, labels, annotations };
}

function decodeContainer(message: Uint8Array): RuntimeContainer {
  const fields = cursor(message);
  const labels: Record<string, string> = {};
  const annotations: Record<string, string> = {};
  const found = { id: "", sandboxId: "", name: "", attempt: 0, image: "", imageRef: "", createdAt: 0 };
  let state = 0;
  while (fields.next()) {
    const { field } = fields;
    if (field === 1) found.id = text(fields.bytes());
    else if (field === 2) found.sandboxId = text(fields.bytes());
    else if (field === 3) Object.assign(found, decodeMetadata(fields.bytes()));
    else if (field === 4) found.image = decodeImageSpec(fields.bytes());
    else if (field === 5) found.imageRef = text(fields.bytes());
    else if (field === 6) state = fields.number();
    else if (field === 7) found.createdAt = time(fields);
    else if (field === 8) addPair(labels, fields.bytes());
    else if (field === 9) addPair(annotations, fields.bytes());
  }
  return { ...found, state: STATES[state] ?? "unknown", labels, annotations };
}

export function decodeContainerStatus(message: Uint8Array): RuntimeContainerStatus | undefined {
  return repeated(message, decodeStatus)[0];
}

function decodeStatus(message: Uint8Array): RuntimeContainerStatus {
  const fields = cursor(message);
  const labels: Record<string, string> = {};
  const annotations: Record<string, string> = {};
  const times = { createdAt: 0, startedAt: 0, finishedAt: 0 };
  const found = { id: "", name: "", attempt: 0, image: "", imageRef: "", reason: "", message: "", logPath: "" };
  let state = 0;
  let exitCode = 0;
  while (fields.next()) {
    const { field } = fields;
    if (field === 1) found.id = text(fields.bytes());
    else if (field === 2) Object.assign(found, decodeMetadata(fields.bytes()));
    else if (field === 3) state = fields.number();
    else if (field === 4) times.createdAt = time(fields);
    else if (field === 5) times.startedAt = time(fields);
    else if (field === 6) times.finishedAt = time(fields);
    else if (field === 7) exitCode = Number(BigInt.asIntN(32, fields.bigint()));
    else if (field === 8) found.image = decodeImageSpec(fields.bytes());
    else if (field === 9) found.imageRef = text(fields.bytes());
    else if (field === 10) found.reason = text(fields.bytes());
    else if (field === 11) found.message = text(fields.bytes());
    else if (field === 12) addPair(labels, fields.bytes());
    else if (field === 13) addPair(annotations, fields.bytes());
    else if (field === 15) found.logPath = text(fields.bytes());
  }
  return { ...found, ...times, exitCode, state: STATES[state] ?? "unknown", labels, annotations };
}

function decodeImage(message: Uint8Array): RuntimeImage {
  const fields = cursor(message);
  let id = "";
  let size = 0;
  const tags: string[] = [];
  const digests: string[] = [];
  while (fields.next()) {
    if (fields.field === 1) id = text(fields.bytes());
    else if (fields.field === 2) tags.push(text(fields.bytes()));
    else if (fields.field === 3) digests.push(text(fields.bytes()));
    else if (fields.field === 4) size = fields.number();
  }
  return { id, tags, digests, size };
}

function decodeMetadata(message: Uint8Array): { name: string; attempt: number } {
  const fields = cursor(message);
  const found = { name: "", attempt: 0 };
  while (fields.next()) {
    if (fields.field === 1) found.name = text(fields.bytes());
    else if (fields.field === 2) found.attempt = fields.number();
  }
  return found;
}

function decodeImageSpec(message: Uint8Array): string {
  const fields = cursor(message);
  let image = "";
  while (fields.next()) if (fields.field === 1) image = text(fields.bytes());
  return image;
}

/** One entry of a map. */
function addPair(target: Record<string, string>, message: Uint8Array): void {
  const fields = cursor(message);
  let key = "";
  let value = "";
  while (fields.next()) {
    if (fields.field === 1) key = text(fields.bytes());
    else if (fields.field === 2) value = text(fields.bytes());
  }
  if (key !== "__proto__") target[key] = value;
}
