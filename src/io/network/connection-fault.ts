/**
 * Why a connection to a server fails, found by dialing it once more with open eyes: the certificate that it shows
 * whether it is trusted or not, what it says of ours, or that it speaks another protocol.
 */

import { X509Certificate } from "node:crypto";
import { connect as connectPlain } from "node:net";
import { connect, type DetailedPeerCertificate, type TLSSocket } from "node:tls";
import {
  type CertificateFault,
  clientFaults,
  describeCertificate,
  readCertificates,
  serverFaults,
} from "../../certificates/faults.ts";
import { defined } from "../../errors/defined.ts";
import { connectionCode } from "./connection-codes.ts";
import { Deadline } from "./deadline.ts";
import type { TlsMaterial } from "./tls-material.ts";

export interface FaultyTarget {
  readonly url: URL;
  readonly tls: TlsMaterial;
  /** Where it is not the URL's host: the name that the server's certificate must be for. */
  readonly serverName?: string | undefined;
  /** `h2` for gRPC, `http/1.1`. */
  readonly protocol: string;
  /** How the user names what is to be mended: a flag, a field of a file. */
  readonly words: { readonly authority: string; readonly client: string };
}

export interface ConnectionFault {
  /** Follows the server's name and a colon. */
  readonly text: string;
  readonly hint: string;
  /** The certificates that matter, one a line. */
  readonly details: readonly string[];
}

const PROBE_MS = 2000;

/** Undefined where the connection now works, or where there is nothing to say beyond that nobody answers. */
export async function findConnectionFault(
  target: FaultyTarget,
  now = Date.now(),
): Promise<ConnectionFault | undefined> {
  const probe = await probeTls(target);
  if (target.url.protocol === "http:") {
    if (probe.chain.length === 0) return undefined;
    return {
      text: "it serves TLS, and was called without",
      hint: `use https://, with ${target.words.authority}`,
      details: [`its certificate: ${describeCertificate(defined(probe.chain[0]))}`],
    };
  }
  if (probe.chain.length === 0) {
    if (!isCutOff(probe.code) || !(await speaksPlainHttp(target.url))) return undefined;
    return { text: "it speaks plain HTTP, and was called with TLS", hint: "use http:// for it", details: [] };
  }
  const details = [`its certificate: ${describeCertificate(defined(probe.chain[0]))}`];
  const authorities = target.tls.ca === undefined ? undefined : readCertificates(String(target.tls.ca));
  const host = target.serverName ?? target.url.hostname.replace(/^\[(.*)\]$/, "$1");
  const faults = target.tls.rejectUnauthorized ? serverFaults(probe.chain, { host, authorities, now }) : [];
  if (faults.length > 0) {
    if (faults.some(({ kind }) => kind === "unknown-authority")) {
      for (const authority of authorities ?? []) details.push(`the authority given: ${describeCertificate(authority)}`);
    }
    return {
      text: faults.map(({ text }) => `its certificate ${text}`).join("; "),
      hint: hintFor(defined(faults[0]), target),
      details,
    };
  }
  return probe.code === undefined ? undefined : clientFault(target, probe, authorities, details, now);
}

/** How a TLS handshake ends where the other side does not shake hands. */
function isCutOff(code: string | undefined): boolean {
  const kind = connectionCode(code)?.kind;
  return kind === "protocol" || kind === "broken-off";
}

/** The server's certificate is good, and it ended the connection nevertheless: it does not like ours. */
function clientFault(
  { tls, words }: FaultyTarget,
  probe: Probe,
  authorities: readonly X509Certificate[] | undefined,
  details: readonly string[],
  now: number,
): ConnectionFault {
  const [own] = tls.cert === undefined ? [] : readCertificates(String(tls.cert));
  if (own === undefined) {
    return {
      text: "it wants a client certificate, and none was given",
      hint: `pass ${words.client}`,
      details,
    };
  }
  const faults = clientFaults(own, { authorities, now });
  const description = connectionCode(probe.code)?.text;
  const reason = faults.map(({ text }) => `it ${text}`).join("; ") || description || `it says ${probe.code}`;
  return {
    text: `it refuses our client certificate: ${reason}`,
    hint: `pass a client certificate that is valid and of the authority that the server asks for, as ${words.client}`,
    details: [`our certificate: ${describeCertificate(own)}`, ...details],
  };
}

function hintFor(fault: CertificateFault, { words }: FaultyTarget): string {
  switch (fault.kind) {
    case "expired":
      return "renew the server's certificate on its machine, and start the server again";
    case "not-yet-valid":
      return "compare the clocks of both machines";
    case "name-mismatch":
      return "call the server by a name that its certificate is for, or have the certificate made for this one";
    case "wrong-use":
      return "have the server's certificate made for a server";
    case "unknown-authority":
      return `pass the authority that signed the server's certificate as ${words.authority}, or check that this is the right server`;
  }
}

interface Probe {
  /** The server's certificates, its own first; empty where no TLS came about. */
  readonly chain: readonly X509Certificate[];
  /** What Node and OpenSSL call the failure, if there was one. */
  readonly code: string | undefined;
}

/** Shakes hands whatever the certificate says, and waits for what the server says of ours: with TLS 1.3 that comes afterwards. */
function probeTls({ url, tls, serverName, protocol }: FaultyTarget): Promise<Probe> {
  const host = url.hostname.replace(/^\[(.*)\]$/, "$1");
  const name = serverName ?? (/^[\d.]+$|:/.test(host) ? undefined : host);
  return new Promise((resolve) => {
    let chain: X509Certificate[] = [];
    let socket: TLSSocket;
    const end = (code: string | undefined): void => {
      deadline[Symbol.dispose]();
      socket?.destroy();
      resolve({ chain, code });
    };
    const deadline = new Deadline(PROBE_MS);
    deadline.signal.addEventListener("abort", () => end(chain.length > 0 ? undefined : "ETIMEDOUT"), { once: true });
    try {
      socket = connect({
        host,
        port: Number(url.port || 443),
        rejectUnauthorized: false,
        ALPNProtocols: [protocol],
        ...(name !== undefined && { servername: name }),
        ...(tls.cert !== undefined && { cert: tls.cert }),
        ...(tls.key !== undefined && { key: tls.key }),
      });
    } catch (error) {
      end((error as NodeJS.ErrnoException).code ?? "key"); // a key that does not belong to the certificate
      return;
    }
    socket.on("secureConnect", () => {
      chain = chainOf(socket.getPeerCertificate(true));
      if (protocol === "h2") socket.write(HTTP2_PREFACE);
      else socket.write(`GET /version HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`);
    });
    socket.on("data", () => end(undefined));
    socket.on("error", (error: NodeJS.ErrnoException) => end(error.code ?? error.message));
    socket.on("close", () => end(chain.length > 0 ? "closed" : "ECONNRESET"));
  });
}

/** The client's preface (RFC 9113, 3.4) and an empty SETTINGS frame: the server answers with its own. */
const HTTP2_PREFACE = Buffer.concat([
  Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
  Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0]),
]);

/** Whether HTTP without TLS is answered with HTTP. */
function speaksPlainHttp({ hostname, port }: URL): Promise<boolean> {
  return new Promise((resolve) => {
    const host = hostname.replace(/^\[(.*)\]$/, "$1");
    const socket = connectPlain(Number(port || 443), host, () => {
      socket.write(`GET /version HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`);
    });
    const deadline = new Deadline(PROBE_MS);
    const end = (answer: boolean): void => {
      deadline[Symbol.dispose]();
      socket.destroy();
      resolve(answer);
    };
    deadline.signal.addEventListener("abort", () => end(false), { once: true });
    socket.on("data", (chunk: Buffer) => end(chunk.toString("latin1", 0, 5) === "HTTP/"));
    socket.on("error", () => end(false));
    socket.on("close", () => end(false));
  });
}

function chainOf(leaf: DetailedPeerCertificate): X509Certificate[] {
  const chain: X509Certificate[] = [];
  const seen = new Set<string>();
  for (
    let each: DetailedPeerCertificate | undefined = leaf;
    each?.raw !== undefined && !seen.has(each.fingerprint256);
  ) {
    seen.add(each.fingerprint256);
    chain.push(new X509Certificate(each.raw));
    each = each.issuerCertificate;
  }
  return chain;
}
