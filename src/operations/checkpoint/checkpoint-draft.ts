/** A copy of a parent as it is now, with the secrets and config maps that it refers to, asked from the API server. */
import { readFileSync } from "node:fs";
import { type AgentPlace, specOf } from "../../checkpoint/checkpoint.ts";
import type { Places } from "../../checkpoint/data-directory.ts";
import { fingerprintOf } from "../../checkpoint/generation.ts";
import { isAgentsOwn } from "../../checkpoint/parent.ts";
import { type Draft, sanitize } from "../../checkpoint/sanitize.ts";
import type { Finding } from "../../errors/errors.ts";
import type { AgentApi } from "../../io/agent/agent-api.ts";
import { unlessAbsent } from "../../io/api-server/api-lists.ts";
import { ApiError } from "../../io/api-server/cluster-api.ts";
import type { DataObject } from "../../kube/data-object.ts";
import { dataObjectOf } from "../../kube/data-object.ts";
import { objectOf, textOf } from "../../kube/fields.ts";
import type { KubeObject } from "../../kube/object.ts";
import { dataReferences } from "../../kube/references.ts";

export interface DraftSources {
  readonly api: AgentApi;
  readonly places: Places;
  readonly place: AgentPlace;
  readonly tokens: Tokens;
  readonly signal: AbortSignal;
}

export type DraftOutcome =
  | { readonly draft: Draft; readonly fingerprint: string; readonly findings: readonly Finding[] }
  /** What it needs and the API server has not: names only. */
  | { readonly missing: readonly string[] };

/** Throws what the API server's client throws. */
export async function draftCheckpoint(parent: KubeObject, sources: DraftSources): Promise<DraftOutcome> {
  const { namespace = "", name } = parent.metadata;
  const found = new Map<string, DataObject>();
  const missing = new Set<string>();
  const asked = new Map<string, DataObject | undefined>();
  for (const reference of dataReferences(specOf(parent))) {
    const key = `${reference.kind} ${reference.name}`;
    if (!asked.has(key)) {
      const resource = reference.kind === "Secret" ? "secrets" : "configmaps";
      const path = `/api/v1/namespaces/${namespace}/${resource}/${encodeURIComponent(reference.name)}`;
      const object = await unlessAbsent(sources.api.get(path, sources.signal));
      asked.set(key, object === undefined ? undefined : dataObjectOf({ ...object, kind: reference.kind }));
    }
    const data = asked.get(key);
    if (data !== undefined) found.set(key, data);
    if (reference.optional) continue;
    const what = reference.kind === "Secret" ? "secret" : "config map";
    if (data === undefined) missing.add(`${what} "${namespace}/${reference.name}"`);
    else {
      for (const each of reference.keys) {
        if (!data.data.has(each)) missing.add(`key "${each}" of ${what} "${namespace}/${reference.name}"`);
      }
    }
  }
  if (missing.size > 0) return { missing: [...missing].sort() };
  const tokens = await sources.tokens.of(parent, sources);
  const findings: Finding[] = [];
  const draft = sanitize({
    parent,
    places: sources.places,
    data: (kind, object) => found.get(`${kind} ${object}`),
    token: (audience) => tokens.get(audience),
    note: (code, text) => findings.push({ level: "warning", code, where: `${namespace}/${name}`, text }),
  });
  return { draft, fingerprint: fingerprintOf(draft.manifest), findings };
}

const TOKEN_SECONDS = 30 * 24 * 3600;
const ASK_AGAIN_MS = 3_600_000;
const OWN_TOKEN = "/var/run/secrets/kubernetes.io/serviceaccount/token";

/**
 * Tokens of service accounts for checkpoints: the agent's own from where the kubelet put it, others where its role lets
 * it ask for them.
 */
export class Tokens {
  readonly #asked = new Map<string, { readonly at: number; readonly token: Uint8Array | undefined }>();
  readonly #ownPath: string;

  constructor(ownPath = OWN_TOKEN) {
    this.#ownPath = ownPath;
  }

  /** By audience, for those that the pod's projections name. */
  async of(parent: KubeObject, { api, place, signal }: DraftSources): Promise<ReadonlyMap<string, Uint8Array>> {
    const tokens = new Map<string, Uint8Array>();
    for (const audience of audiencesOf(parent)) {
      const own = audience === "" && isAgentsOwn(parent, place) ? readQuietly(this.#ownPath) : undefined;
      const token = own ?? (await this.#request(parent, audience, api, signal));
      if (token !== undefined) tokens.set(audience, token);
    }
    return tokens;
  }

  async #request(
    parent: KubeObject,
    audience: string,
    api: AgentApi,
    signal: AbortSignal,
  ): Promise<Uint8Array | undefined> {
    const account = textOf(specOf(parent).serviceAccountName) || "default";
    const path = `/api/v1/namespaces/${parent.metadata.namespace}/serviceaccounts/${account}/token`;
    const key = `${path} ${audience}`;
    const known = this.#asked.get(key);
    if (known !== undefined && performance.now() - known.at < ASK_AGAIN_MS) return known.token;
    let token: Uint8Array | undefined;
    try {
      const answer = await api.create(
        path,
        {
          apiVersion: "authentication.k8s.io/v1",
          kind: "TokenRequest",
          metadata: {},
          spec: { expirationSeconds: TOKEN_SECONDS, ...(audience !== "" && { audiences: [audience] }) },
        },
        signal,
      );
      token = Buffer.from(textOf(objectOf(answer.status).token), "utf8");
    } catch (error) {
      if (!(error instanceof ApiError)) throw error; // refused: the checkpoint goes without, and says so
    }
    this.#asked.set(key, { at: performance.now(), token });
    return token;
  }
}

function audiencesOf(parent: KubeObject): Set<string> {
  const audiences = new Set<string>();
  for (const volume of (specOf(parent).volumes ?? []) as readonly KubeObject[]) {
    const sources = objectOf(volume?.projected).sources;
    for (const source of Array.isArray(sources) ? sources : []) {
      const token = objectOf(source).serviceAccountToken;
      if (token !== undefined) audiences.add(textOf(objectOf(token).audience));
    }
  }
  return audiences;
}

function readQuietly(path: string): Uint8Array | undefined {
  try {
    return readFileSync(path);
  } catch {
    return undefined; // not in a pod with a token
  }
}
