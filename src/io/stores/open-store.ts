/** Which kind of store an address means. */

import { resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { MendError } from "../../errors/errors.ts";
import { withoutLogin } from "../../errors/secret.ts";
import { openDirectoryStore } from "./directory-store.ts";
import { recordingStore } from "./recording-store.ts";
import type { Store } from "./store.ts";
import type { StoreOptions } from "./store-options.ts";

type Opener = (url: URL, options: StoreOptions) => Promise<Store>;

const OPENERS: Readonly<Record<string, Opener>> = {
  azblob: async (url, options) => (await import("./azure-store.ts")).openAzureStore(url, options),
  s3: async (url, options) => (await import("./s3-store.ts")).openS3Store(url, options),
  sftp: async (url, options) => (await import("./sftp-store.ts")).openSftpStore(url, options),
};

/** A directory, or an URL of {@link OPENERS}. Throws `usage`. Nothing is asked of the store yet. */
export async function openStore(address: string, options: StoreOptions): Promise<Store> {
  return recordingStore(await openKind(address, options));
}

async function openKind(address: string, options: StoreOptions): Promise<Store> {
  const scheme = /^([a-z][a-z0-9+.-]+):\/\//i.exec(address)?.[1]?.toLowerCase();
  if (scheme === undefined) {
    const [, slip = ""] = /^([a-z0-9]+):/i.exec(address) ?? [];
    if (Object.hasOwn(OPENERS, slip.toLowerCase()))
      throw new MendError("usage", `"${withoutLogin(address)}" lacks a slash, or is a directory`, {
        hint: `write ${slip}://…, or ./${slip}:… for a directory of that name`,
      });
    return openDirectoryStore(resolve(options.cwd, address));
  }
  if (scheme === "file" && /^file:\/\/(?:localhost)?\//i.test(address))
    return openDirectoryStore(fileURLToPath(decodable(address)));
  const open = OPENERS[scheme];
  if (open === undefined || !URL.canParse(address)) {
    throw new MendError("usage", `"${withoutLogin(address)}" is not the address of a backup repository`, {
      hint: `give a directory${Object.keys(OPENERS)
        .map((name) => `, ${name}://…`)
        .join("")}`,
    });
  }
  return await open(new URL(address), options);
}

/** The address of what is in a folder of a store, with the options that a URL has behind its `?`. */
export function addressBelow(address: string, folder: string): string {
  const isUrl = /^[a-z][a-z0-9+.-]+:\/\//i.test(address);
  const at = isUrl ? address.indexOf("?") : -1;
  const [place, options] = at < 0 ? [address, ""] : [address.slice(0, at), address.slice(at)];
  return `${place.replace(/\/+$/, "")}/${isUrl ? encodeURIComponent(folder) : folder}${options}`;
}

/** A path may have percent signs that encode nothing. */
function decodable(address: string): string {
  return address.replace(/%(?![0-9a-f]{2})/gi, "%25");
}
