/** What the page asks of the server that it came from, at the moment that is shown. */

export interface ResourceId {
  readonly group: string;
  readonly version: string;
  readonly plural: string;
  readonly kind: string;
  readonly namespaced: boolean;
}

export interface Overview {
  readonly description: string;
  readonly version: string | null;
  readonly showSecrets: boolean;
  readonly revision: number;
  readonly firstRevision: number;
  readonly lastRevision: number;
  readonly time: string | null;
  readonly firstTime: string | null;
  readonly lastTime: string | null;
  readonly total: Share;
  readonly kinds: readonly (ResourceId & Share)[];
  readonly namespaces: readonly { readonly name: string; readonly objects: number }[];
  readonly nodes: readonly {
    readonly name: string;
    readonly ready: string;
    readonly cordoned: boolean;
    readonly roles: readonly string[];
    readonly version: string;
  }[];
  readonly controlPlane: ControlPlane;
  readonly backup: Backup;
}

export interface Finding {
  readonly level: string;
  readonly code: string;
  readonly where: string;
  readonly text: string;
}

/** Which control plane the cluster had, and what a restore asks for. */
export interface ControlPlane {
  /** `static-pods`, `self-hosted`, or a sentence's part such as `a k3s cluster`; null where nothing says. */
  readonly flavour: string | null;
  /** How such a cluster is restored instead. */
  readonly instead: string | null;
  readonly apiServers: readonly string[];
  readonly members: readonly {
    readonly node: string;
    readonly components: readonly { readonly name: string; readonly running: boolean }[];
  }[];
  readonly steps: readonly string[];
  readonly notes: readonly Finding[];
}

export type Verify =
  | { readonly state: "pending"; readonly progress: number }
  | { readonly state: "failed"; readonly text: string }
  | {
      readonly state: "ok" | "broken";
      readonly objects: number;
      readonly encrypted: number;
      readonly unreadable: number;
      readonly opaque: number;
    };

/** How commands name the backup, in any directory, and what they need to read it. */
export interface CommandSource {
  readonly place: string;
  /** The same without a moment: the file or the repository. */
  readonly base: string;
  /** The newest revision at that place, which may be later than the one that is served. */
  readonly lastRevision: number;
  readonly encryptionConfig: string | null;
  readonly etcdPrefix: string | null;
  readonly identity: string | null;
}

/** What is known of the file itself. */
export interface Backup {
  readonly name: string;
  /** As it was given to the program. */
  readonly place: string;
  readonly command: CommandSource;
  readonly bytes: number;
  readonly hash: "pending" | "verified" | "mismatch" | "absent" | "failed";
  readonly verify: Verify;
  readonly findings: readonly Finding[];
  /** How many are not listed. */
  readonly moreFindings: number;
  readonly members: readonly { readonly name: string; readonly clientURLs: readonly string[] }[];
}

export interface Share {
  readonly objects: number;
  readonly bytes: number;
  readonly revisions: number;
}

export interface Kind extends ResourceId {
  readonly shortNames: readonly string[];
}

export interface Bucket {
  readonly from: number;
  readonly to: number;
  readonly writes: number;
  readonly deletions: number;
  readonly time: string | null;
}

export interface Density {
  readonly firstRevision: number;
  readonly lastRevision: number;
  readonly buckets: readonly Bucket[];
}

export interface Rows {
  readonly columns: readonly { readonly name: string; readonly type: string; readonly priority: number }[];
  readonly total: number;
  readonly offset: number;
  readonly rows: readonly Row[];
}

export interface Row {
  readonly namespace: string | null;
  readonly name: string;
  readonly cells: readonly unknown[];
  readonly state: string;
}

export interface Link {
  readonly kind: string;
  readonly name: string;
  readonly namespace: string | null;
  readonly role: string;
  readonly resource: ResourceId | null;
}

export interface ObjectPage extends ResourceId {
  readonly namespace: string | null;
  readonly name: string;
  readonly revision: number;
  readonly bytes: number;
  readonly revisions: number;
  readonly state: string;
  readonly text?: string;
  readonly yaml?: string;
  readonly managedFields?: string;
  readonly owners?: readonly Link[];
  readonly references?: readonly Link[];
  readonly events?: readonly {
    readonly type: string;
    readonly reason: string;
    readonly message: string;
    readonly from: string;
    readonly count: string;
    readonly time: string;
  }[];
}

export interface Writer {
  readonly manager: string;
  readonly operation: string;
  readonly subresource: string;
  readonly time: string;
}

export interface FieldChange {
  readonly path: string;
  readonly before: string | null;
  readonly after: string | null;
}

export interface Change extends ResourceId {
  readonly namespace: string | null;
  readonly name: string;
  readonly revision: number;
  readonly time: string | null;
  readonly change: string;
  readonly writers: readonly Writer[];
  readonly fields: readonly FieldChange[];
}

export interface Changes {
  readonly from: number;
  readonly to: number;
  readonly fromTime: string | null;
  readonly toTime: string | null;
  readonly changes: readonly Change[];
  readonly more: boolean;
}

export interface History {
  readonly total: number;
  readonly revisions: readonly {
    readonly revision: number;
    readonly time: string | null;
    readonly change: string;
    readonly text?: string;
    readonly writers: readonly Writer[];
    readonly fields: readonly FieldChange[];
  }[];
}

export interface Found extends ResourceId {
  readonly namespace: string | null;
  readonly name: string;
}

export interface Names {
  readonly found: readonly Found[];
  readonly matches: number;
  readonly isComplete: boolean;
  /** How much of the index of contents is there, up to 1. */
  readonly indexed: number;
}

export interface Contents {
  readonly found: readonly Found[];
  readonly cursor: number;
  readonly done: boolean;
  readonly progress: number;
  readonly indexed: number;
}

export type Query = Readonly<
  Record<string, string | number | boolean | readonly (string | number)[] | null | undefined>
>;

/** Throws an Error with the server's own message. `at`: a moment, or empty for the one that is served. */
export async function ask<T>(path: string, query: Query, at: string, signal?: AbortSignal): Promise<T> {
  const parameters = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    if (value === undefined || value === null) continue;
    for (const each of Array.isArray(value) ? value : [value]) parameters.append(name, String(each));
  }
  const place = `${at === "" ? "" : `/at/${encodeURIComponent(at)}`}/ui/data/${path}?${parameters}`;
  const answer = await fetch(place, signal === undefined ? {} : { signal });
  const body: unknown = await answer.json().catch(() => undefined);
  if (answer.ok) return body as T;
  if (answer.status === 401)
    throw new Error("This server does not know you any more: open the address that kubemend serve printed.");
  const message = (body as { message?: string } | undefined)?.message;
  throw new Error(message ?? `the server answered ${answer.status}`);
}
