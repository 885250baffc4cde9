/**
 * Generations of a checkpoint: what makes two the same, how one is written and read back, and when a new one takes the
 * place of the last good one.
 */
import { createHash } from "node:crypto";
import { isObject, textOf } from "../kube/fields.ts";
import type { JsonObject, JsonValue, KubeObject } from "../kube/object.ts";
import {
  CHECKPOINT_OF_ANNOTATION,
  DATA_ANNOTATION,
  DIGEST_ANNOTATION,
  GENERATION_ANNOTATION,
  type Generation,
  PROVEN_ANNOTATION,
  SAVED_ANNOTATION,
} from "./checkpoint.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true });
/** A pod is at most etcd's 1.5 MiB. */
const MOST_BYTES = 4 << 20;

/** Of the manifest of a draft; annotations that number it do not count. */
export function fingerprintOf(manifest: KubeObject): string {
  const annotations = { ...manifest.metadata.annotations };
  for (const name of [GENERATION_ANNOTATION, SAVED_ANNOTATION, PROVEN_ANNOTATION, DIGEST_ANNOTATION]) {
    delete annotations[name];
  }
  // Who the parent is does not change what would run.
  const metadata = { ...manifest.metadata, annotations, ownerReferences: undefined };
  return sha256(JSON.stringify(sorted({ ...manifest, metadata } as JsonObject)));
}

/**
 * Of what would run, whatever the parent's name: pods of a DaemonSet are named differently each time, and so is the volume of
 * their token. Copies that differ in nothing else are no two generations.
 */
function essenceOf(manifest: KubeObject): string {
  const { name } = manifest.metadata;
  const text = JSON.stringify(sorted({ labels: manifest.metadata.labels ?? {}, spec: manifest.spec ?? {} }));
  const volume = /kube-api-access-[a-z0-9]{5}/g;
  return sha256(text.replaceAll(name, "").replace(volume, "kube-api-access"));
}

/** The manifest with its number and its digest, as it is written. */
export function numbered(manifest: KubeObject, facts: Pick<Generation, "number" | "saved" | "proven">): Generation {
  const annotations: Record<string, string> = {
    ...manifest.metadata.annotations,
    [GENERATION_ANNOTATION]: String(facts.number),
    [SAVED_ANNOTATION]: facts.saved,
    [PROVEN_ANNOTATION]: String(facts.proven),
  };
  delete annotations[DIGEST_ANNOTATION];
  const bare = { ...manifest, metadata: { ...manifest.metadata, annotations } } as KubeObject;
  const digest = sha256(JSON.stringify(sorted(bare)));
  const whole = {
    ...bare,
    metadata: { ...bare.metadata, annotations: { ...annotations, [DIGEST_ANNOTATION]: digest } },
  } as KubeObject;
  return { ...facts, manifest: whole, data: dataOf(whole), fingerprint: fingerprintOf(whole) };
}

export function encodeGeneration(generation: Generation): Uint8Array {
  return encoder.encode(`${JSON.stringify(generation.manifest, undefined, 1)}\n`);
}

/**
 * Reads one back. A string says what is wrong: not JSON, not a pod, not what was written. `foreign` for a manifest that
 * is no checkpoint. What the original checkpointer left has no digest, and is number 0.
 */
export function decodeGeneration(bytes: Uint8Array): Generation | "foreign" | { readonly wrong: string } {
  if (bytes.length > MOST_BYTES) return { wrong: `it is ${bytes.length} bytes long` };
  let value: JsonValue;
  try {
    value = JSON.parse(decoder.decode(bytes)) as JsonValue;
  } catch {
    return { wrong: bytes.length === 0 ? "it is empty" : "it is not JSON" };
  }
  if (!isObject(value) || value.kind !== "Pod" || !isObject(value.metadata) || !isObject(value.spec)) {
    return { wrong: "it is not a pod" };
  }
  const manifest = value as KubeObject;
  const annotations = isObject(value.metadata.annotations) ? value.metadata.annotations : {};
  if (annotations[CHECKPOINT_OF_ANNOTATION] === undefined) return "foreign";
  if (!isName(manifest.metadata.name) || !isName(manifest.metadata.namespace)) return { wrong: "its name is none" };
  const digest = textOf(annotations[DIGEST_ANNOTATION]);
  if (digest === "") {
    const isOurs = [GENERATION_ANNOTATION, SAVED_ANNOTATION].some((name) => annotations[name] !== undefined);
    if (isOurs) return { wrong: "it has no digest" };
    return { number: 0, saved: "", proven: true, manifest, data: [], fingerprint: fingerprintOf(manifest) };
  }
  const bare: Record<string, JsonValue | undefined> = { ...annotations };
  delete bare[DIGEST_ANNOTATION];
  const metadata = { ...value.metadata, annotations: bare } as JsonObject;
  if (sha256(JSON.stringify(sorted({ ...value, metadata }))) !== digest) {
    return { wrong: "its content is not what was written" };
  }
  const number = Number(annotations[GENERATION_ANNOTATION]);
  if (!Number.isSafeInteger(number) || number < 1) return { wrong: "it has no number" };
  return {
    number,
    saved: textOf(annotations[SAVED_ANNOTATION]),
    proven: annotations[PROVEN_ANNOTATION] === "true",
    manifest,
    data: dataOf(manifest),
    fingerprint: fingerprintOf(manifest),
  };
}

function isName(value: JsonValue | undefined): boolean {
  return typeof value === "string" && /^[a-z0-9][a-z0-9.-]{0,252}$/.test(value);
}

function dataOf(manifest: KubeObject): string[] {
  try {
    const list = JSON.parse(manifest.metadata.annotations?.[DATA_ANNOTATION] ?? "[]") as unknown;
    return Array.isArray(list) ? list.filter((each): each is string => typeof each === "string") : [];
  } catch {
    return [];
  }
}

/** A copy of a parent as it is now, and how long it has been so. */
export interface Candidate {
  readonly manifest: KubeObject;
  readonly fingerprint: string;
  /** Whether all its containers run. */
  readonly running: boolean;
  /** For how long it has run healthy with just this content, in milliseconds. */
  readonly healthyFor: number;
}

export type GenerationDecision =
  /** To be written as the newest generation, in the place of `instead` if that was never proven. */
  | { readonly act: "save"; readonly proven: boolean; readonly instead: Generation | undefined }
  /** The newest one has just been proven. */
  | { readonly act: "prove"; readonly generation: Generation }
  /** In `after` milliseconds it may be good enough. */
  | { readonly act: "wait"; readonly after: number }
  | { readonly act: "nothing" };

/**
 * A first copy is better than none, so it is taken as soon as its parent runs. From then on a copy is only replaced by
 * one that ran healthy for a while; one that never did is not kept.
 */
export function judge(
  candidate: Candidate,
  generations: readonly Generation[],
  healthyAfter: number,
): GenerationDecision {
  const newest = generations[0];
  const isHealthy = candidate.running && candidate.healthyFor >= healthyAfter;
  const after = Math.max(0, healthyAfter - candidate.healthyFor);
  if (newest?.fingerprint === candidate.fingerprint) {
    if (newest.proven || newest.number === 0) return { act: "nothing" };
    if (isHealthy) return { act: "prove", generation: newest };
    return candidate.running ? { act: "wait", after } : { act: "nothing" };
  }
  if (!candidate.running) return { act: "nothing" };
  if (isHealthy) {
    const isReplaced =
      newest?.proven === false || (newest && essenceOf(newest.manifest) === essenceOf(candidate.manifest));
    return { act: "save", proven: true, instead: isReplaced ? newest : undefined };
  }
  return newest === undefined ? { act: "save", proven: false, instead: undefined } : { act: "wait", after };
}

/** Which generations are kept: the newest, as many as configured, and the one that runs. Newest first. */
export function kept(generations: readonly Generation[], count: number, runs: string | undefined): Generation[] {
  return generations.filter(({ fingerprint }, i) => i < count || fingerprint === runs);
}

function sha256(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}

/** With the fields of all objects in order, so that the same content has the same text. */
function sorted(value: JsonValue): JsonValue {
  if (Array.isArray(value)) return (value as readonly JsonValue[]).map(sorted);
  if (!isObject(value)) return value;
  const entries = Object.entries(value).filter((entry): entry is [string, JsonValue] => entry[1] !== undefined);
  return Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : 1)).map(([name, each]) => [name, sorted(each)]));
}
