/** What a rendering makes: files by path, all of them in hand before any of them is written. */
import type { ByteSource } from "../bolt/byte-source.ts";
import { invariant, MendError } from "../errors/errors.ts";

export interface Asset {
  /** Relative to the asset dir, with slashes, such as `tls/secrets/kube-apiserver/ca.crt`. */
  readonly path: string;
  /** 0600, or 0700 where the file is to be run. */
  readonly mode: number;
  /** Bytes, or a source to copy where they are too many for memory. */
  readonly content: Uint8Array | ByteSource;
}

const encoder = new TextEncoder();

export class AssetSet {
  readonly #assets = new Map<string, Asset>();

  /**
   * Adds a file. Names in the path come from the cluster, so each is checked: one that would lead out of the asset dir throws
   * `object-unreadable`. The same file may be added twice, by two pods that share a secret.
   */
  add(path: string, content: Uint8Array | ByteSource | string, mode = 0o600): void {
    checkPath(path);
    const asset = { path, mode, content: typeof content === "string" ? encoder.encode(content) : content };
    const before = this.#assets.get(path);
    invariant(before === undefined || sameContent(before.content, asset.content), `asset "${path}" has two contents`);
    if (before === undefined || mode > before.mode) this.#assets.set(path, asset);
  }

  /** By path. */
  sorted(): Asset[] {
    return [...this.#assets.values()].sort((a, b) => (a.path < b.path ? -1 : 1));
  }
}

function checkPath(path: string): void {
  const bad = path.split("/").find((name) => name === "" || name === "." || name === ".." || /\p{Cc}/u.test(name));
  if (bad === undefined && path.length <= 1024) return;
  throw new MendError(
    "object-unreadable",
    `an object asks for the file "${path}", which is no path inside the asset dir`,
    {
      hint: "look at the object with snapshot get: no API server accepts such a name",
    },
  );
}

function sameContent(a: Asset["content"], b: Asset["content"]): boolean {
  return a instanceof Uint8Array && b instanceof Uint8Array ? Buffer.compare(a, b) === 0 : a === b;
}
