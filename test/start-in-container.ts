/** `start` against a stand-in API server of its own, in the directories that it is given; run as a program. */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { errorText } from "../src/cli/error-text.ts";
import { MendError } from "../src/errors/errors.ts";
import { startControlPlane } from "../src/operations/start/start.ts";
import { StartWorld } from "./start-world.ts";

const [own = "", shared = ""] = process.argv.slice(2);
mkdirSync(own, { recursive: true });
const world = await StartWorld.open(own);
try {
  // What both of them write: the secrets of the temporary control plane. Each has a kubelet of its own.
  await startControlPlane({ ...world.options(), secretsDir: join(shared, "bootstrap-secrets") });
  process.stdout.write("started\n");
} catch (error) {
  if (!(error instanceof MendError)) throw error;
  process.stderr.write(errorText(error));
  process.exitCode = 1;
} finally {
  world.close();
}
