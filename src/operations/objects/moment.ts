/** A moment of a cluster in a file: `backup.db`, or `backup.db@184596` as it was at an earlier revision. */
import { existsSync, statSync } from "node:fs";
import { MendError } from "../../errors/errors.ts";

export interface Moment {
  readonly file: string;
  readonly atRevision: number | undefined;
}

/** A file whose own name ends in `@NUMBER` is that file. Throws `usage` for two different revisions. */
export function readMoment(text: string, atRevision?: number): Moment {
  const match = /^(.+)@(\d{1,15})$/.exec(text);
  const [, file = "", digits] = match ?? [];
  // A moment of a repository is resolved where it is opened.
  if (file === "" || existsSync(text) || statSync(file, { throwIfNoEntry: false })?.isFile() !== true) {
    return { file: text, atRevision };
  }
  const revision = Number(digits);
  if (atRevision !== undefined && atRevision !== revision) {
    throw new MendError("usage", `"${text}" and revision ${atRevision} contradict each other`, {
      hint: "give the revision once",
    });
  }
  return { file, atRevision: revision };
}
