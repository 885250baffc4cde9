/**
 * Looks after static pods' own manifests, beside the checkpoints: copies each with what it mounts when it has run well
 * for a while, notices what is gone or cut off, and puts it back after some time where it is told to.
 */

import { dirname } from "node:path";
import { phaseOf, type RuntimePod, type Sight } from "../../checkpoint/observe.ts";
import { staticPodNameOf } from "../../checkpoint/parent.ts";
import { isSameCopy, type ProtectedCopy, readProtectionKey } from "../../checkpoint/protected-copy.ts";
import {
  compareFile,
  compareManifest,
  decideProtection,
  type ProtectedFile,
  type ProtectionPatience,
  readManifest,
  type StaticPod,
} from "../../checkpoint/protected-manifest.ts";
import { defined } from "../../errors/defined.ts";
import { type Finding, MendError } from "../../errors/errors.ts";
import { ProtectedFiles } from "../../io/agent/protected-files.ts";
import type { FileSystem } from "../../io/files/durable/file-system.ts";
import { readTextFile } from "../../io/files/read-file.ts";
import type { CheckpointerOptions } from "./checkpointer-options.ts";

export interface ManifestProtectorOptions {
  /** `/etc/kubernetes`, and the kubelet's directory of manifests in it. */
  readonly directory: string;
  readonly manifests: string;
  readonly nodeName: string;
  /** Encrypts the copies. */
  readonly key: Uint8Array | undefined;
  /** Whether files are put back; otherwise they are copied, and missed. */
  readonly mends: boolean;
  readonly patience: ProtectionPatience;
  readonly healthyAfterMs: number;
  readonly generations: number;
  /** Milliseconds since the epoch, for what people read. */
  readonly now: () => number;
  readonly report: (level: "info" | "warn", text: string, fields: Readonly<Record<string, string>>) => void;
  readonly fileSystem?: FileSystem;
}

/** What the agent sees at one moment; `clock` only goes forward. */
export interface ProtectionMoment {
  readonly clock: number;
  readonly runtime: readonly RuntimePod[] | undefined;
  readonly runningFor: Sight["runningFor"];
}

export class ManifestProtector {
  readonly #options: ManifestProtectorOptions;
  readonly #files: ProtectedFiles;
  #copies: ReadonlyMap<string, ProtectedCopy> = new Map();
  /** Of what {@link #copies} were read from. */
  #mark: string | undefined;
  #loaded: readonly Finding[] = [];
  /** Since when something is wrong with a manifest or its files. */
  readonly #wrongSince = new Map<string, number>();
  /** Since when the files are as they are now: by name, with what they were. */
  readonly #steadySince = new Map<
    string,
    { readonly at: number; readonly content: Pick<ProtectedCopy, "manifest" | "files"> }
  >();
  #findings: readonly Finding[] = [];
  /** When something is to be done next, if nothing else happens. */
  #next = Number.POSITIVE_INFINITY;

  constructor(options: ManifestProtectorOptions) {
    this.#options = options;
    this.#files = new ProtectedFiles(options.directory, options.manifests, options.key, options.fileSystem);
  }

  /** What is wrong now. */
  get findings(): readonly Finding[] {
    return this.#findings;
  }

  get nextAt(): number {
    return this.#next;
  }

  /** One walk over everything. Failures are findings; mistakes of our own are thrown. */
  async look(moment: ProtectionMoment): Promise<void> {
    this.#next = Number.POSITIVE_INFINITY;
    const findings: Finding[] = [];
    const attempt = async (where: string, run: () => Promise<void>): Promise<void> => {
      try {
        await run();
      } catch (error) {
        if (!(error instanceof MendError)) throw error;
        findings.push({ level: "error", code: error.code, where, text: error.message });
      }
    };
    await attempt(this.#options.manifests, async () => {
      if (this.#mark !== this.#files.mark()) {
        const { copies, findings: found } = this.#files.load();
        this.#copies = copies;
        this.#loaded = found;
        this.#mark = this.#files.mark();
      }
      const present = this.#files.manifests();
      for (const name of [...new Set([...this.#copies.keys(), ...present.keys()])].sort()) {
        await attempt(this.#files.pathOf(name), () => this.#lookAt(name, present.get(name), moment, findings));
      }
    });
    this.#findings = [...this.#loaded, ...findings];
  }

  async #lookAt(
    name: string,
    present: ProtectedFile | undefined,
    moment: ProtectionMoment,
    findings: Finding[],
  ): Promise<void> {
    const copy = this.#copies.get(name);
    const reading = present === undefined ? undefined : readManifest(present.bytes);
    if (reading?.is === "passing") return;
    if (copy !== undefined) {
      const isWrong = await this.#mend(name, copy, present, moment.clock, findings);
      if (isWrong) return void this.#steadySince.delete(name);
    } else if (reading?.is === "damaged") {
      const where = this.#files.pathOf(name);
      findings.push({
        level: "warning",
        code: "manifest-damaged",
        where,
        text: "it is no pod that a kubelet can run, and there is no copy of it",
      });
    }
    if (reading?.is === "static-pod") await this.#copy(name, defined(present), reading.pod, copy, moment);
  }

  /** Returns whether something is wrong, or was until now. */
  async #mend(
    name: string,
    copy: ProtectedCopy,
    present: ProtectedFile | undefined,
    clock: number,
    findings: Finding[],
  ): Promise<boolean> {
    const path = this.#files.pathOf(name);
    const manifest = compareManifest(copy.manifest.bytes, present?.bytes);
    // Another manifest may mount other files: what its last copy had is not missed then.
    const files = manifest === "changed" ? [] : copy.files;
    const states = new Map(
      files.map((file) => [file.path, compareFile(file.bytes, this.#files.file(file.path)?.bytes)]),
    );
    const movedTo = manifest === "gone" ? this.#files.findMoved(copy.manifest.bytes) : undefined;
    const since = this.#wrongSince.get(name) ?? clock;
    const verdict = decideProtection({ manifest, files: states, movedTo, since }, path, this.#options.patience, clock);
    if (verdict.act === "nothing") {
      this.#wrongSince.delete(name);
      return false;
    }
    this.#wrongSince.set(name, since);
    const { text } = verdict;
    if (verdict.act === "mend" && this.#options.mends) {
      for (const file of [...files, copy.manifest])
        if (verdict.paths.includes(file.path)) await this.#files.putBack(name, file);
      this.#wrongSince.delete(name);
      this.#options.report("warn", "put back", { manifest: path, taken: copy.taken, why: text });
      return true;
    }
    if (verdict.act === "wait" && this.#options.mends) {
      this.#next = Math.min(this.#next, verdict.until);
      const at = new Date(this.#options.now() + verdict.until - clock).toISOString().replace(/\.\d+Z/, "Z");
      findings.push({
        level: "error",
        code: "manifest-missing",
        where: path,
        text: `${text}: it will be put back at ${at}`,
      });
      return true;
    }
    const level = verdict.act === "leave" ? "warning" : "error";
    findings.push({ level, code: "manifest-missing", where: path, text });
    return true;
  }

  async #copy(
    name: string,
    manifest: ProtectedFile,
    pod: StaticPod,
    copy: ProtectedCopy | undefined,
    { clock, runtime, runningFor }: ProtectionMoment,
  ): Promise<void> {
    const content = { manifest, files: this.#files.mounted(pod.hostPaths) };
    if (copy !== undefined && isSameCopy(copy, content)) return;
    const known = this.#steadySince.get(name);
    const steady = known !== undefined && isSameCopy(known.content, content) ? known : { at: clock, content };
    this.#steadySince.set(name, steady);
    const running = runtime?.find(
      (each) =>
        each.namespace === pod.namespace &&
        each.name === staticPodNameOf(pod.name, this.#options.nodeName) &&
        each.annotations["kubernetes.io/config.source"] === "file",
    );
    if (running === undefined || phaseOf(running, pod.containers, runningFor) !== "running") return;
    const ready = Math.max(steady.at, clock - shortest(running, runningFor)) + this.#options.healthyAfterMs;
    if (clock < ready) {
      this.#next = Math.min(this.#next, ready);
      return;
    }
    const taken = new Date(this.#options.now()).toISOString();
    const fresh = { taken, ...content };
    await this.#files.save(name, fresh, this.#options.generations);
    this.#options.report("info", "copied a manifest", { manifest: manifest.path, files: String(content.files.length) });
  }
}

function shortest(pod: RuntimePod, runningFor: Sight["runningFor"]): number {
  return Math.min(...pod.containers.filter(({ running }) => running).map(runningFor));
}

/** Something that is cut off is hardly on purpose: it is mended as soon as whoever writes it must be done. */
const DAMAGED_MS = 10_000;

/** As the agent has it. Throws where the key file holds no key. */
export function openManifestProtector(
  options: CheckpointerOptions,
  { mends, goneAfterMs, keyFile }: NonNullable<CheckpointerOptions["protect"]>,
): ManifestProtector {
  const { places, place, healthyAfterMs, generations, now, log, fileSystem } = options;
  return new ManifestProtector({
    directory: dirname(places.active),
    manifests: places.active,
    nodeName: place.nodeName,
    key: keyFile === undefined ? undefined : readProtectionKey(readTextFile(keyFile), keyFile),
    mends,
    patience: { damaged: Math.min(DAMAGED_MS, goneAfterMs), gone: goneAfterMs },
    healthyAfterMs,
    generations,
    now,
    report: log,
    ...(fileSystem !== undefined && { fileSystem }),
  });
}
