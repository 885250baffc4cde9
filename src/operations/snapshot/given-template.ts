/** A template that a user gives in a file. */
import { readTextFile } from "../../io/files/read-file.ts";

/** Throws as {@link readTextFile} does. */
export function readGivenTemplate(path: string): string {
  return readTextFile(path);
}
