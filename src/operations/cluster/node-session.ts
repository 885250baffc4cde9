/**
 * One kubemend on a node that does step after step, over one connection: to connect and to start it each time costs
 * more than most steps. A connection that ended while nothing was asked is made anew.
 */
import { once } from "node:events";
import { PassThrough } from "node:stream";
import { runRemote, type SshOptions } from "../../io/ssh/ssh.ts";

/** How long it may take to end once nothing more is asked. */
const END_MS = 5000;

export interface Asked {
  /** A line of JSON, which says how long the payload is. */
  readonly head: Uint8Array;
  readonly payload?: Iterable<Uint8Array> | AsyncIterable<Uint8Array>;
  /** Gets each line of the answer. Whether it was the last. */
  readonly onLine: (line: string) => boolean;
}

interface Connection {
  readonly input: PassThrough;
  /** Until the command on the node has ended. Throws as {@link runRemote} does. */
  readonly running: Promise<void>;
  isOver: boolean;
}

export class NodeSession {
  readonly #host: string;
  readonly #command: readonly string[];
  readonly #ssh: SshOptions;
  readonly #signal: AbortSignal;
  #connection: Connection | undefined;
  #onLine: ((line: string) => void) | undefined;

  /** `signal` ends it at once. */
  constructor(host: string, command: readonly string[], ssh: SshOptions, signal: AbortSignal) {
    this.#host = host;
    this.#command = command;
    this.#ssh = ssh;
    this.#signal = signal;
  }

  /** Whether a request is under way: there is one at a time. */
  get isBusy(): boolean {
    return this.#onLine !== undefined;
  }

  /** Ends with the last line of the answer, or with the command on the node. Throws as {@link runRemote} does. */
  async ask(asked: Asked): Promise<void> {
    let isHeard = false;
    const onLine = (line: string): boolean => {
      isHeard = true;
      return asked.onLine(line);
    };
    const before = this.#connection;
    const isOld = before !== undefined && !before.isOver;
    const isAnswered = await this.#askOnce({ ...asked, onLine }).catch((error: unknown) => {
      if (!isOld || isHeard || asked.payload !== undefined || this.#signal.aborted) throw error;
      return false;
    });
    if (!isAnswered && isOld && !isHeard && asked.payload === undefined) await this.#askOnce(asked);
  }

  /** The command on the node ends by itself when its input does. */
  async close(): Promise<void> {
    const connection = this.#connection;
    if (connection === undefined || connection.isOver) return;
    leave(connection);
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, END_MS);
    await Promise.race([connection.running.catch(() => {}), promise]);
    clearTimeout(timer);
  }

  async #askOnce({ head, payload = [], onLine }: Asked): Promise<boolean> {
    const connection = this.#connect();
    const { promise: answered, resolve } = Promise.withResolvers<true>();
    this.#onLine = (line) => {
      if (onLine(line)) resolve(true);
    };
    const over = connection.running.then(() => false);
    let isSent = false;
    const sending = send(connection, head, payload).then(() => {
      isSent = true;
    });
    sending.catch(() => {}); // where the end of the command comes first
    try {
      return await Promise.race([answered, over, sending.then(() => answered)]);
    } finally {
      this.#onLine = undefined;
      if (!isSent) leave(connection); // the next request would come amid the payload
    }
  }

  #connect(): Connection {
    if (this.#connection !== undefined && !this.#connection.isOver) return this.#connection;
    const input = new PassThrough();
    const running = runRemote(this.#host, this.#command, this.#ssh, {
      input,
      output: (line) => this.#onLine?.(line),
      signal: this.#signal,
    });
    const connection: Connection = { input, running, isOver: false };
    const end = (): void => leave(connection);
    running.then(end, end);
    this.#connection = connection;
    return connection;
  }
}

/** Nothing is asked over it any more. */
function leave(connection: Connection): void {
  connection.isOver = true;
  connection.input.end();
}

async function send(connection: Connection, head: Uint8Array, payload: NonNullable<Asked["payload"]>): Promise<void> {
  const { input, running } = connection;
  input.write(head);
  for await (const chunk of payload) {
    if (connection.isOver) return;
    if (!input.write(chunk)) await Promise.race([once(input, "drain"), running.catch(() => {})]);
  }
}
