/**
 * How far a node has come, on its etcd's peer port while no etcd runs: the one port that control-plane nodes reach each
 * other at for sure. Asked for `/members`, as etcd's peers ask each other; kubemend answers with its node's state and a
 * MAC over it and the asker's nonce under the operation's secret, etcd with its cluster's id in the header
 * `X-Etcd-Cluster-ID` (etcd, `server/etcdserver/api/etcdhttp/peer.go`).
 */

import { createHmac, randomBytes, timingSafeEqual } from "node:crypto";
import { createServer as createHttpServer, type IncomingMessage, type ServerResponse } from "node:http";
import { createServer as createHttpsServer } from "node:https";
import { defined } from "../../errors/defined.ts";
import { MendError } from "../../errors/errors.ts";
import { systemCode } from "../../errors/system-error.ts";
import { Deadline } from "../network/deadline.ts";
import { readBody, sendRequest } from "../network/http-exchange.ts";

/** PEM; undefined for peers that speak plain HTTP. */
export interface PeerTls {
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
}

export interface PeerStatus {
  readonly id: string;
  readonly node: string;
  readonly state: string;
}

export type PeerAnswer =
  | { readonly kind: "kubemend"; readonly status: PeerStatus }
  | { readonly kind: "etcd"; readonly clusterId: string }
  | { readonly kind: "silent"; readonly why: string };

const PATH = "/members";
const NONCE = "x-kubemend-nonce";
const ASK_MS = 3000;
const MOST_BYTES = 64 * 1024;

/** Answers until it is closed. Throws `port-taken`. */
export async function servePeerStatus(
  peerUrl: string,
  tls: PeerTls | undefined,
  secret: string,
  status: () => PeerStatus,
): Promise<{ close(): Promise<void> }> {
  const answer = (request: IncomingMessage, response: ServerResponse): void => {
    const nonce = request.headers[NONCE];
    if (request.url !== PATH || typeof nonce !== "string") {
      response.writeHead(404).end();
      return;
    }
    const now = status();
    response.writeHead(200, { "content-type": "application/json", connection: "close" });
    response.end(JSON.stringify({ kubemend: now, mac: macOf(secret, nonce, now) }));
  };
  const server =
    tls === undefined ? createHttpServer(answer) : createHttpsServer({ ...tls, requestCert: true }, answer);
  const port = Number(new URL(peerUrl).port);
  await new Promise<void>((resolve, reject) => {
    server.once("error", (error) => {
      const isTaken = systemCode(error) === "EADDRINUSE";
      reject(
        isTaken
          ? new MendError("port-taken", `port ${port} is taken: etcd has not stopped`, {
              where: peerUrl,
              hint: "see what listens there with ss -ltnp, stop it, and run the same command again",
            })
          : error,
      );
    });
    server.listen(port, resolve);
  });
  return {
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

/** Never throws for what a peer does or fails to do; throws the signal's reason. */
export async function askPeer(
  peerUrl: string,
  tls: PeerTls | undefined,
  secret: string,
  signal: AbortSignal,
): Promise<PeerAnswer> {
  using deadline = new Deadline(ASK_MS, { signal });
  const nonce = randomBytes(16).toString("hex");
  try {
    const url = new URL(PATH, peerUrl);
    // Certificates of peers are for addresses and names that may have changed; what is believed is the MAC, and of etcd only that it runs.
    const options = tls === undefined ? {} : { ...tls, checkServerIdentity: () => undefined };
    const response = await sendRequest({ url, headers: { [NONCE]: nonce }, options }, deadline);
    const clusterId = response.headers["x-etcd-cluster-id"];
    const body = await readBody(response, deadline, MOST_BYTES);
    if (typeof clusterId === "string") return { kind: "etcd", clusterId };
    const status = readAnswer(body.toString(), secret, nonce);
    return status === undefined ? { kind: "silent", why: "something else answers" } : { kind: "kubemend", status };
  } catch (error) {
    signal.throwIfAborted();
    return { kind: "silent", why: systemCode(error) ?? (error instanceof Error ? error.message : String(error)) };
  }
}

function readAnswer(text: string, secret: string, nonce: string): PeerStatus | undefined {
  try {
    const { kubemend, mac } = JSON.parse(text) as { kubemend?: PeerStatus; mac?: string };
    if (kubemend === undefined || typeof mac !== "string") return undefined;
    const [given, wanted] = [mac, macOf(secret, nonce, kubemend)].map((each) => Buffer.from(each));
    return given?.length === wanted?.length && timingSafeEqual(defined(given), defined(wanted)) ? kubemend : undefined;
  } catch {
    return undefined; // no JSON
  }
}

function macOf(secret: string, nonce: string, { id, node, state }: PeerStatus): string {
  return createHmac("sha256", Buffer.from(secret, "hex")).update([nonce, id, node, state].join("\n")).digest("hex");
}
