/** `node clean` on a small node's directories; run as a program, so that it can be recorded. */
import { CleanWorld } from "../clean-world.ts";

export async function cleanNode(directory: string): Promise<void> {
  const world = CleanWorld.at(directory);
  await world.clean();
}

if (process.argv[1] === import.meta.filename) {
  await cleanNode(process.argv[2]!);
  process.stdout.write("cleaned\n");
}
