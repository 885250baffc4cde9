/** A data dir that a command wrote: a stock etcd is started on it, and has to serve what was acknowledged up to its revision. */
import { rmSync } from "node:fs";
import { waitFor } from "../../../testbed/wait.ts";
import { readAll, serves } from "./gateway.ts";
import type { World } from "./world.ts";

const URL_OF_SCRATCH = "http://127.0.0.1:12379";

export async function readDataDir(
  world: World,
  dataDir: string,
  name: string,
): Promise<{ readonly revision: number; readonly found: ReadonlyMap<string, string> } | undefined> {
  const flags = [
    `--listen-client-urls=${URL_OF_SCRATCH}`,
    `--advertise-client-urls=${URL_OF_SCRATCH}`,
    "--listen-peer-urls=http://127.0.0.1:12380",
    "--initial-advertise-peer-urls=http://localhost:2380",
  ];
  const scratch = world.bed.start(world.newPath("scratch").split("/").at(-1) ?? "", [
    ...["env", "ETCD_UNSUPPORTED_ARCH=arm64", world.etcd, `--name=${name}`, `--data-dir=${dataDir}`],
    ...flags,
    `--initial-cluster=${name}=http://localhost:2380`,
  ]);
  try {
    await waitFor("the restored etcd", async () => scratch.running && (await serves(URL_OF_SCRATCH)), { seconds: 30 });
    const { revision, kvs } = await readAll(URL_OF_SCRATCH);
    return { revision, found: new Map(kvs.map(({ key, value }) => [key, value])) };
  } catch (error) {
    world.wrong(`etcd does not serve what was restored: ${(error as Error).message}\n${scratch.lastLines(5)}`);
    return undefined;
  } finally {
    await scratch.kill();
    rmSync(dataDir, { recursive: true, force: true });
  }
}

export async function checkRestored(world: World, dataDir: string, name: string, revision: number): Promise<void> {
  const read = await readDataDir(world, dataDir, name);
  if (read === undefined) return;
  if (read.revision !== revision)
    world.wrong(`revision ${revision} was said to be restored, and etcd has ${read.revision}`);
  for (const fault of world.ledger.compare(read.found, revision).slice(0, 3)) world.wrong(`restored: ${fault}`);
  world.say(`revision ${revision}, restored, is what was acknowledged`);
}
