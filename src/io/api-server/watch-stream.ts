/**
 * The events of one watch: a JSON object a line, `{"type":"ADDED","object":{…}}`
 * (https://kubernetes.io/docs/reference/using-api/api-concepts/#efficient-detection-of-changes).
 */
import type { IncomingMessage } from "node:http";
import type { JsonObject, KubeObject } from "../../kube/object.ts";
import type { Deadline } from "../network/deadline.ts";
import { readChunks } from "../network/http-exchange.ts";
import { faultOfAnswer } from "./api-answer.ts";
import { parseObject } from "./api-error.ts";

/** The API server no longer has the place where the watch was to continue: list again. */
export class Stale extends Error {}

/** A watch that brings what is no event; its message says what. */
export class BrokenWatch extends Error {}

export interface StreamedEvent {
  readonly type: "ADDED" | "MODIFIED" | "DELETED" | "BOOKMARK";
  readonly object: KubeObject;
}

const TYPES: ReadonlySet<unknown> = new Set(["ADDED", "MODIFIED", "DELETED", "BOOKMARK"]);
/** etcd takes no object of more than some megabytes. */
const MOST_LINE_BYTES = 64 << 20;

/** Throws {@link Stale} for an event of an error, and {@link BrokenWatch} for what is no event. The deadline is for each silence. */
export async function* readWatch(
  response: IncomingMessage,
  path: string,
  idle: Deadline,
): AsyncGenerator<StreamedEvent> {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const chunk of readChunks(response, idle)) {
    idle.renew();
    const parts = (rest + decoder.decode(chunk, { stream: true })).split("\n");
    rest = parts.pop() ?? "";
    if (rest.length > MOST_LINE_BYTES) throw new BrokenWatch("an event has no end");
    for (const part of parts) if (part !== "") yield decodeEvent(part, path);
  }
}

function decodeEvent(line: string, path: string): StreamedEvent {
  const event = parseObject(line);
  if (event?.type === "ERROR") throw new Stale();
  const object = event?.object as JsonObject | undefined;
  if (!TYPES.has(event?.type) || typeof object !== "object" || object === null)
    throw new BrokenWatch("it sends what is no event");
  if (event?.type === "BOOKMARK") {
    const { resourceVersion } = (object.metadata ?? {}) as JsonObject;
    if (typeof resourceVersion !== "string") throw new BrokenWatch("it sends a bookmark without a resource version");
    return event as unknown as StreamedEvent;
  }
  // An event holds one object of the collection: as if it had been created there.
  const { kind, apiVersion } = object;
  const fault = faultOfAnswer({ method: "GET", path: collectionItem(path, object), body: undefined }, object);
  if (fault !== undefined || typeof kind !== "string" || typeof apiVersion !== "string")
    throw new BrokenWatch(fault ?? "it sends an object of no kind");
  return event as unknown as StreamedEvent;
}

/** Where the object would be read from. */
function collectionItem(path: string, object: JsonObject): string {
  const { name } = (object.metadata ?? {}) as JsonObject;
  return `${path.split("?")[0]}/${encodeURIComponent(typeof name === "string" && name !== "" ? name : "-")}`;
}
