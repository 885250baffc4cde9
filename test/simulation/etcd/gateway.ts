/**
 * The independent client: etcd's own JSON gateway, by plain HTTP. What the simulation knows of the cluster it knows from
 * here, and none of it comes through kubemend's client.
 */
export interface Kv {
  readonly key: string;
  readonly value: string;
  readonly modRevision: number;
}

const text = (base64: string | undefined): string => Buffer.from(base64 ?? "", "base64").toString("utf8");
const base64 = (value: string): string => Buffer.from(value, "utf8").toString("base64");

/** Throws where the member does not answer with 200 in time. */
export async function ask(url: string, path: string, body: object, milliseconds = 1500): Promise<Answer> {
  const response = await fetch(`${url}/v3/${path}`, {
    method: "POST",
    body: JSON.stringify(body),
    signal: AbortSignal.timeout(milliseconds),
  });
  const answer = await response.text();
  if (response.status !== 200) throw new Error(`${url} answers ${response.status}: ${answer.slice(0, 300)}`);
  return JSON.parse(answer) as Answer;
}

interface Answer {
  readonly header?: { readonly revision?: string; readonly raft_term?: string; readonly member_id?: string };
  readonly leader?: string;
  readonly hash?: number;
  readonly compact_revision?: string;
  readonly isLearner?: boolean;
  readonly kvs?: readonly { readonly key: string; readonly value?: string; readonly mod_revision?: string }[];
  readonly members?: readonly {
    readonly ID: string;
    readonly name?: string;
    readonly peerURLs?: readonly string[];
    readonly isLearner?: boolean;
  }[];
}

/** The revision of the write. */
export async function put(url: string, key: string, value: string): Promise<number> {
  const { header } = await ask(url, "kv/put", { key: base64(key), value: base64(value) });
  return Number(header?.revision);
}

export async function remove(url: string, key: string): Promise<number> {
  const { header } = await ask(url, "kv/deleterange", { key: base64(key) });
  return Number(header?.revision);
}

/** Every key, by a read of the quorum; or as it was at a revision. */
export async function readAll(
  url: string,
  revision?: number,
): Promise<{ readonly revision: number; readonly kvs: readonly Kv[] }> {
  const range = { key: base64("\0"), range_end: base64("\0"), ...(revision !== undefined && { revision }) };
  const { header, kvs = [] } = await ask(url, "kv/range", range, 5000);
  return {
    revision: Number(header?.revision),
    kvs: kvs.map(({ key, value, mod_revision }) => ({
      key: text(key),
      value: text(value),
      modRevision: Number(mod_revision),
    })),
  };
}

/** Whether a linearizable read is answered. */
export async function serves(url: string): Promise<boolean> {
  try {
    await ask(url, "kv/range", { key: base64("any") }, 2000);
    return true;
  } catch {
    return false;
  }
}

/** HashKV. Its path is another one up to etcd 3.5, where a later etcd has the hash of the whole file. */
export async function hashOf(url: string, revision: number): Promise<Answer> {
  const body = { revision: String(revision) };
  return ask(url, "maintenance/hashkv", body).catch(() => ask(url, "maintenance/hash", body));
}
