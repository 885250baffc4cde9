/**
 * The backup agent beside it all, as a process of its own that is killed now and then, on clocks that jump. What it has
 * claimed to hold is restored in the end and compared with what etcd had acknowledged.
 */
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { type BackupPlace, listed, makeRepository, type RunningAgent, startAgent } from "../../backup/agent.ts";
import { readAll } from "./gateway.ts";
import { checkRestored } from "./restored.ts";
import type { World } from "./world.ts";

const CLOCK = join(import.meta.dirname, "../../e2e/shift-clock.ts");
const CATCHES_UP_WITHIN_MS = 60_000;

export class Backups {
  readonly #world: World;
  readonly #place: BackupPlace;
  #agent: RunningAgent | undefined;

  private constructor(world: World, place: BackupPlace) {
    this.#world = world;
    this.#place = place;
  }

  static async begin(world: World): Promise<Backups> {
    const backups = new Backups(world, await makeRepository(world.newPath("backup")));
    backups.start();
    return backups;
  }

  get words(): readonly string[] {
    return ["backup", "restore", `${this.#place.repository}@latest`, "--identity", this.#place.identity];
  }

  start(): void {
    const shift = this.#world.chance.of([0, 0, 0, 7_200_000, -7_200_000]);
    const env = { NODE_OPTIONS: `--import=${CLOCK}`, KUBEMEND_TEST_CLOCK_SHIFT: String(shift) };
    const endpoints = this.#world.members.map(({ clientUrl }) => clientUrl);
    this.#agent = startAgent(this.#place, { endpoints }, env);
    this.#world.say(`the backup agent starts, its clock ${shift / 1000} s off`);
  }

  /** Killed, and started again as its supervisor does it. */
  async kill(): Promise<void> {
    await this.#agent?.stop("SIGKILL");
    this.#world.say("the backup agent is killed");
    this.start();
  }

  /**
   * Returns the newest revision that is stored, which can be newer than what was checked: a write that was given up while a
   * member was cut off can come to the others seconds after the cable is back.
   */
  async stop(): Promise<number | undefined> {
    await this.#agent?.stop("SIGKILL");
    return (await listed(this.#place)).spans.at(-1)?.toRevision;
  }

  /** After writing has ended: it catches up, and its claims are proved. */
  async check(): Promise<void> {
    const world = this.#world;
    let { revision } = await readAll(world.members.find(({ isPart }) => isPart)?.clientUrl ?? "");
    const deadline = Date.now() + CATCHES_UP_WITHIN_MS;
    let spans = (await listed(this.#place)).spans;
    while ((spans.at(-1)?.toRevision ?? 0) < revision) {
      if (Date.now() > deadline) {
        const said = this.#agent?.reported.split("\n").slice(-6).join("\n");
        world.wrong(
          `the backup agent is at ${spans.at(-1)?.toRevision} of revision ${revision} after a minute:\n${said}`,
        );
        return;
      }
      if (this.#agent?.ended === true) this.start();
      await sleep(200);
      spans = (await listed(this.#place)).spans;
    }
    revision = spans.at(-1)?.toRevision ?? revision; // a write that was given up can come later: see stop
    const { repository, identity } = this.#place;
    const verified = await world.kubemend(["backup", "verify", repository, "--identity", identity]);
    if (verified.code !== 0) world.wrong(`backup verify: ${verified.stdout}${verified.stderr}`);
    await this.#checkMoment(revision);
    const span = world.chance.of(spans);
    await this.#checkMoment(world.chance.between(span.fromRevision, span.toRevision));
  }

  async #checkMoment(revision: number): Promise<void> {
    const { repository, identity } = this.#place;
    const world = this.#world;
    const dataDir = world.newPath("moment");
    const { code, stdout, stderr } = await world.kubemend([
      ...[
        "backup",
        "restore",
        `${repository}@${revision}`,
        "--identity",
        identity,
        "--data-dir",
        dataDir,
        "--name=default",
      ],
      ...["-o", "json"],
    ]);
    if (code !== 0) return world.wrong(`the repository lists revision ${revision} and cannot restore it: ${stderr}`);
    const restored = (JSON.parse(stdout) as { revision: number }).revision;
    await checkRestored(world, dataDir, "default", restored);
    if (restored !== revision) world.wrong(`revision ${revision} was asked for and ${restored} restored`);
  }
}
