/**
 * The built page: beside the program in `dist/`, an asset of the single executable, or, for a program that runs from
 * its sources, where `npm run build` puts it.
 */
import { readFileSync } from "node:fs";
import { getRawAsset, isSea } from "node:sea";

export const PAGE_FILES = ["index.html", "app.js", "style.css"] as const;
export type PageFile = (typeof PAGE_FILES)[number];

const TYPES: Readonly<Record<PageFile, string>> = {
  "index.html": "text/html; charset=utf-8",
  "app.js": "text/javascript; charset=utf-8",
  "style.css": "text/css; charset=utf-8",
};

export interface LoadedFile {
  readonly type: string;
  readonly bytes: Uint8Array;
}

/** Undefined where the page was not built. */
export function loadPageFile(name: PageFile): LoadedFile | undefined {
  const type = TYPES[name];
  if (isSea()) return { type, bytes: new Uint8Array(getRawAsset(`ui/${name}`)) };
  for (const place of import.meta.url.endsWith(".ts") ? ["../../../dist/ui/"] : ["./ui/"]) {
    try {
      return { type, bytes: readFileSync(new URL(`${place}${name}`, import.meta.url)) };
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    }
  }
  return undefined;
}
