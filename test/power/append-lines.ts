/** Writes an undo file's lines as `objects restore` does; run as a program, so that it can be recorded. */
import { createAppendLog } from "../../src/io/files/durable/append-log.ts";

export const LINES: readonly string[] = Array.from({ length: 5 }, (_, i) =>
  JSON.stringify({ line: i, filler: "x".repeat(3000) }),
);

if (process.argv[1] === import.meta.filename) {
  const log = createAppendLog(process.argv[2]!);
  for (const line of LINES) await log.append(line);
  process.stdout.write("done\n");
  await log.close();
}
