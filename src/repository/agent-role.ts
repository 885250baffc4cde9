/** Who of several agents writes: the one that wrote last, as long as it does; when it falls silent, whoever adds the next link first. */

export interface RoleFacts {
  /** Who wrote the newest link of the keyspace; undefined where there is none. */
  readonly writer: string | undefined;
  readonly self: string;
  /** Milliseconds since a new link of the keyspace was last seen, or since this agent began to look. */
  readonly silentFor: number;
  /** Whether etcd has revisions that the repository lacks; undefined where etcd does not answer. */
  readonly hasUnsaved: boolean | undefined;
}

export interface RolePatience {
  /** How long a writer may be silent while etcd continues, in milliseconds. */
  readonly busy: number;
  /** How long it may be silent while nothing happens: longer than its heartbeat. */
  readonly idle: number;
}

export type Role = "write" | "stand-by";

/** Deciding wrongly costs nothing but work: the next link is created exclusively. */
export function decideRole(facts: RoleFacts, patience: RolePatience): Role {
  if (facts.hasUnsaved === undefined) return "stand-by";
  if (facts.writer === undefined || facts.writer === facts.self) return "write";
  return facts.silentFor >= (facts.hasUnsaved ? patience.busy : patience.idle) ? "write" : "stand-by";
}
