/** One etcd member over its v3 API. */

import { invariant, MendError } from "../../errors/errors.ts";
import { input } from "../../errors/input.ts";
import { type GrpcOptions, openGrpc } from "../network/grpc.ts";
import { recordEtcdChange } from "./etcd-changes.ts";
import { type EtcdAccess, mayLogIn } from "./etcd-connection.ts";
import { explainEtcdFailure } from "./etcd-failure.ts";
import {
  type ClusterMember,
  decodeAlarms,
  decodeHashKv,
  decodeMemberList,
  decodeSnapshotPart,
  decodeStatus,
  decodeToken,
  encodeAuthenticate,
  encodeHashKvRequest,
  type KeyspaceHash,
  type MemberAlarm,
  type MemberStatus,
  type ResponseHeader,
} from "./etcd-messages.ts";
import { decodeRangeAnswer, encodeRangeRequest, type RangeAnswer, type RangeRequest } from "./etcd-range.ts";
import {
  decodeTimeToLive,
  decodeWatchAnswer,
  encodeTimeToLive,
  encodeWatchAll,
  type WatchAnswer,
} from "./etcd-watch.ts";

export interface EtcdClient {
  readonly endpoint: string;
  members(): Promise<{ header: ResponseHeader; members: ClusterMember[] }>;
  status(): Promise<MemberStatus>;
  /** `timeout` in milliseconds, instead of the connection's: etcd reads its whole database. */
  hashKv(revision: number, timeout?: number): Promise<KeyspaceHash>;
  alarms(): Promise<MemberAlarm[]>;
  /** Throws `revision-compacted` for a revision that is gone. */
  range(request: RangeRequest): Promise<RangeAnswer>;
  /** The database in pieces, at last its SHA-256; each piece may be overwritten by the next. */
  snapshot(): AsyncGenerator<{ remaining: number; blob: Uint8Array }, void, void>;
  /**
   * All changes from a revision on, until the watch is cancelled, the connection ends, or nothing comes for a quarter
   * of an hour. Views are valid until the next answer.
   */
  watch(revision: number, signal: AbortSignal): AsyncGenerator<WatchAnswer, void, void>;
  /** The TTL that a lease was granted, in seconds; undefined for one that has ended. */
  leaseTtl(lease: bigint): Promise<number | undefined>;
  /**
   * A request of our own encoding to `etcdserverpb.METHOD`, such as `Cluster/MemberAdd`. `timeout` in milliseconds,
   * instead of the connection's.
   */
  call(method: string, message?: Uint8Array, timeout?: number): Promise<Uint8Array>;
  close(): void;
}

const NOTHING = new Uint8Array(0);
const SHA256_BYTES = 32;
/** etcd says how far it is every 10 minutes where nothing changes. */
const WATCH_PATIENCE_MS = 15 * 60_000;
/** A watch is as slow as what is watched: a single byte gives back all of its time. */
const ANY_PACE = 0.001;

export function openEtcd(endpoint: string, access: EtcdAccess, signal?: AbortSignal): EtcdClient {
  const { user } = access;
  const isTrusted = user === undefined || mayLogIn(user, endpoint);
  const grpc = openGrpc(endpoint, access.tls, access.timeout);
  let token: Promise<string> | undefined;

  async function options(): Promise<GrpcOptions> {
    if (user === undefined) return { signal };
    if (!isTrusted) {
      throw new MendError("etcd-unauthenticated", `the password of user "${user.name}" is not sent to "${endpoint}"`, {
        where: endpoint,
        hint: `name it among ${input("endpoints")}, or pass ${input("cluster")} to log in wherever members say they are`,
      });
    }
    token ??= grpc
      .call("/etcdserverpb.Auth/Authenticate", encodeAuthenticate(user.name, user.password.expose()), { signal })
      .then(decodeToken, (error: unknown) => {
        // Whatever etcd says to a wrong password, it says it here.
        if (!(error instanceof MendError) || error.code !== "etcd-refused") throw error;
        throw new MendError("etcd-unauthenticated", error.message, {
          where: endpoint,
          hint: `check ${input("user")} and ${input("password")}`,
        });
      });
    return { signal, token: await token };
  }
  const call = async (method: string, message: Uint8Array = NOTHING, timeout?: number): Promise<Uint8Array> => {
    const chosen = { ...(await options()), timeout };
    const by = user === undefined ? endpoint : `${endpoint} as ${user.name}`;
    return recordEtcdChange(method, message, by, () => grpc.call(`/etcdserverpb.${method}`, message, chosen));
  };

  return {
    endpoint,
    call,
    members: async () => decodeMemberList(await call("Cluster/MemberList")),
    // Every member answers this without a login.
    status: async () =>
      decodeStatus(
        await (isTrusted
          ? call("Maintenance/Status")
          : grpc.call("/etcdserverpb.Maintenance/Status", NOTHING, { signal })),
      ),
    hashKv: async (revision, timeout) =>
      decodeHashKv(await call("Maintenance/HashKV", encodeHashKvRequest(revision), timeout)),
    range: async (request) => decodeRangeAnswer(await call("KV/Range", encodeRangeRequest(request))),
    alarms: async () => decodeAlarms(await call("Maintenance/Alarm")),
    async *snapshot() {
      let left: number | undefined; // what the first piece announces, and the SHA-256 behind it
      for await (const part of grpc.stream("/etcdserverpb.Maintenance/Snapshot", NOTHING, await options())) {
        const { blob, remaining } = decodeSnapshotPart(part);
        left = (left ?? blob.length + remaining + SHA256_BYTES) - blob.length;
        if (left < 0) {
          throw new MendError("etcd-refused", `"${endpoint}" sends more than the snapshot that it announced`, {
            where: endpoint,
            hint: "check that etcd listens there, or try another endpoint",
          });
        }
        yield { blob, remaining };
      }
    },
    async *watch(revision, watchSignal) {
      const patient = { ...(await options()), timeout: WATCH_PATIENCE_MS, pace: ANY_PACE, signal: watchSignal };
      for await (const part of grpc.stream("/etcdserverpb.Watch/Watch", encodeWatchAll(revision), patient)) {
        yield decodeWatchAnswer(part);
      }
    },
    leaseTtl: async (lease) => decodeTimeToLive(await call("Lease/LeaseTimeToLive", encodeTimeToLive(lease))),
    close: grpc.close,
  };
}

/** Tries one endpoint after the other; the last one's failure is thrown where none answers. */
export async function withAnyEndpoint<T>(
  access: EtcdAccess,
  run: (client: EtcdClient) => Promise<T>,
  signal?: AbortSignal,
): Promise<T> {
  let failure: { readonly error: MendError; readonly endpoint: string } | undefined;
  for (const endpoint of access.endpoints) {
    const client = openEtcd(endpoint, access, signal);
    try {
      return await run(client);
    } catch (error) {
      signal?.throwIfAborted();
      if (!isUnreached(error)) throw error;
      failure = { error, endpoint };
    } finally {
      client.close();
    }
  }
  invariant(failure !== undefined, "there is an endpoint");
  throw await explainEtcdFailure(failure.error, failure.endpoint, access);
}

/** Whether the connection failed, and not what was asked over it. */
export function isUnreached(error: unknown): error is MendError {
  return error instanceof MendError && ["etcd-unreachable", "timeout", "tls-failed"].includes(error.code);
}
