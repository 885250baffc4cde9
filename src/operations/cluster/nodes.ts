/** The control-plane nodes as this end sees them: how each is reached, and one request and its answer. */
import { createHash } from "node:crypto";
import { createReadStream, readFileSync } from "node:fs";
import { z } from "zod";
import { type ErrorCode, MendError } from "../../errors/errors.ts";
import { quote, runRemote, type SshOptions } from "../../io/ssh/ssh.ts";
import type { StepRequest } from "./node/run-step.ts";
import type { NodeSession } from "./node-session.ts";
import { readAnswer } from "./step-answers.ts";

export interface NodeTarget {
  readonly name: string;
  readonly address: string;
}

export interface Reach {
  readonly ssh: SshOptions;
  /** Words that run kubemend on a node. */
  readonly command: readonly string[];
  /** Does step after step there. Each has a connection of its own without it. */
  readonly session?: NodeSession;
}

/** What is run on a node: each step on stdin. */
export const NODE_COMMAND = ["cluster", "node"];
/** Where the executable is carried to. Not `/run`, which many systems mount without the right to execute. */
const REMOTE_DIRECTORY = "/var/lib/kubemend/bin";

const answerSchema = z.union([
  z.object({ progress: z.string() }),
  z.object({ result: z.unknown() }),
  z.object({
    error: z.object({
      code: z.string(),
      message: z.string(),
      where: z.string().nullish(),
      hint: z.string().nullish(),
    }),
  }),
]);

/**
 * Asks a node for a step. Throws the node's own error, with the node's name before it, and `ssh-failed` for what is no
 * answer to the step.
 */
export async function callNode(
  target: NodeTarget,
  request: StepRequest,
  reach: Reach,
  options: {
    readonly signal: AbortSignal;
    readonly report?: (text: string) => void;
    readonly payload?: Iterable<Uint8Array> | AsyncIterable<Uint8Array>;
    /** Of the payload, where that is known. */
    readonly payloadBytes?: number;
  },
): Promise<unknown> {
  let answer: z.infer<typeof answerSchema> | undefined;
  const onLine = (line: string): boolean => {
    const parsed = answerSchema.safeParse(parseJson(line));
    if (!parsed.success) return false; // a login banner
    if ("progress" in parsed.data) options.report?.(parsed.data.progress);
    else answer = parsed.data;
    return answer !== undefined;
  };
  const { payload, signal, payloadBytes = payload === undefined ? 0 : undefined } = options;
  const { session } = reach;
  try {
    if (session === undefined || session.isBusy || payloadBytes === undefined) {
      const command = [...reach.command, ...NODE_COMMAND];
      await runRemote(target.address, command, reach.ssh, {
        input: withHead(request, payload ?? []),
        output: onLine,
        signal,
      });
    } else {
      const head = headOf(request, payloadBytes);
      await session.ask({ head, onLine, ...(payload === undefined ? {} : { payload }) });
    }
  } catch (error) {
    if (answer === undefined || !("error" in answer)) throw named(target, error);
  }
  if (answer !== undefined && "error" in answer) {
    const { code, message, where, hint } = answer.error;
    throw new MendError(code as ErrorCode, `node "${target.name}": ${message}`, {
      where: where ?? target.name,
      ...(hint === undefined || hint === null ? {} : { hint }),
    });
  }
  if (answer === undefined || !("result" in answer)) {
    throw new MendError("ssh-failed", `node "${target.name}" gave no answer`, {
      where: target.address,
      hint: "check that a shell there prints nothing by itself, and that its kubemend is of this version",
    });
  }
  return readAnswer(request, answer.result, target.name);
}

/**
 * Does the same for all of them at once, and lets each come to its end before it throws: a node in the middle of a step
 * is worse than one that has done it. Throws the first failure, with the others in its message.
 */
export async function onEach<T, R>(of: Iterable<T>, work: (each: T) => Promise<R>): Promise<R[]> {
  const results = await Promise.allSettled([...of].map(work));
  const failures = results.flatMap((result) => (result.status === "rejected" ? [result.reason as unknown] : []));
  const [first, ...others] = failures;
  if (failures.length === 0) return results.map((result) => (result as PromiseFulfilledResult<R>).value);
  if (!(first instanceof MendError) || others.length === 0) throw first;
  const message = failures
    .map((failure) => (failure instanceof Error ? failure.message : String(failure)))
    .join("\n  ");
  const details = {
    ...(first.where === undefined ? {} : { where: first.where }),
    ...(first.hint === undefined ? {} : { hint: first.hint }),
  };
  throw new MendError(first.code, message, { ...details, cause: first });
}

/** Does it for one after the other. Ends with the first failure. */
export async function inTurn<T, R>(of: Iterable<T>, work: (each: T) => Promise<R>): Promise<R[]> {
  const results: R[] = [];
  for (const each of of) results.push(await work(each));
  return results;
}

/** Brings this executable onto a node, unless it is there. Returns the words that run it. */
export async function carryExecutable(
  target: NodeTarget,
  executable: string,
  ssh: SshOptions,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const hash = createHash("sha256").update(readFileSync(executable)).digest("hex");
  const path = `${REMOTE_DIRECTORY}/kubemend-${hash.slice(0, 16)}`;
  const sum = `[ "$(sha256sum ${quote(path)} 2>/dev/null | cut -d' ' -f1)" = ${hash} ]`;
  let isThere = false;
  const onLine = (line: string): void => {
    isThere ||= line === "there";
  };
  try {
    const look = { input: [], output: onLine, signal };
    await runRemote(target.address, ["sh", "-c", `${sum} && echo there || echo absent`], ssh, look);
    if (isThere) return [path];
    const take =
      `umask 077; mkdir -p ${REMOTE_DIRECTORY} && cat >${path}.part && chmod 0700 ${path}.part && mv ` +
      `${path}.part ${path} && ${sum}`;
    await runRemote(target.address, ["sh", "-c", take], ssh, {
      input: createReadStream(executable) as AsyncIterable<Uint8Array>,
      output: () => {},
      signal,
    });
  } catch (error) {
    throw named(target, error);
  }
  return [path];
}

const REMOVAL_MS = 15_000;

/** Takes a carried executable away again. A node that cannot be reached keeps it: the next run finds it there, and takes it away. */
export async function removeExecutable(target: NodeTarget, path: string, ssh: SshOptions): Promise<void> {
  const command = ["sh", "-c", `rm -f ${quote(path)}; rmdir ${REMOTE_DIRECTORY} 2>/dev/null || true`];
  const away = { input: [], output: () => {}, signal: AbortSignal.timeout(REMOVAL_MS) };
  await runRemote(target.address, command, ssh, away).catch(() => {});
}

function headOf(request: StepRequest, payloadBytes?: number): Uint8Array {
  return new TextEncoder().encode(`${JSON.stringify({ ...request, payloadBytes })}\n`);
}

async function* withHead(
  request: StepRequest,
  payload: Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  yield headOf(request);
  yield* payload;
}

function named({ name }: NodeTarget, error: unknown): unknown {
  if (!(error instanceof MendError)) return error;
  const details = {
    ...(error.where === undefined ? {} : { where: error.where }),
    ...(error.hint === undefined ? {} : { hint: error.hint }),
  };
  return new MendError(error.code, `node "${name}": ${error.message}`, { ...details, cause: error });
}

function parseJson(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}
