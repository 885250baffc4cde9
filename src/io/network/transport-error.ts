/** Failed connections to etcd, in words, by the code that Node gives them: what each code means stands in `connection-codes.ts`. */

import { MendError } from "../../errors/errors.ts";
import { input } from "../../errors/input.ts";
import { type ConnectionFaultKind, connectionFault, errorCode } from "./connection-codes.ts";

const TLS_HINTS: Partial<Record<ConnectionFaultKind, string>> = {
  "client-certificate": `pass a client certificate of etcd's CA as ${input("cert")} and ${input("key")}`,
  protocol: `use http:// where it serves without TLS; else check ${input("cacert")}, ${input("cert")} and ${input("key")}`,
};

/** Hints of certificates that have one of their own. */
const CERTIFICATE_HINTS: Readonly<Record<string, string>> = {
  CERT_HAS_EXPIRED: `renew the server's certificate, or pass ${input("insecureSkipTlsVerify")} to continue without it`,
  CERT_NOT_YET_VALID: "check the clocks of both machines",
  CERT_REVOKED: "give the server a new certificate",
  ERR_TLS_CERT_ALTNAME_INVALID: "use one of the names that it is for, or have it made for this one",
};

/** An error of a connection as a `MendError`: `tls-failed` or `etcd-unreachable`. Those that are one already come back as they are. */
export function transportError(error: unknown, endpoint: string): unknown {
  if (error instanceof MendError || !(error instanceof Error)) return error;
  if (error.name === "AbortError") return error;
  const code = errorCode(error) ?? "";
  const { kind, text } = connectionFault(error);
  const where = endpoint;
  if (kind === "server-certificate") {
    const hint = CERTIFICATE_HINTS[code] ?? `pass the CA that signed it as ${input("cacert")}`;
    return new MendError("tls-failed", `no secure connection to "${endpoint}": ${text}`, { where, hint, cause: error });
  }
  const hint = TLS_HINTS[kind];
  if (hint !== undefined && endpoint.startsWith("https:")) {
    return new MendError("tls-failed", `no secure connection to "${endpoint}": ${text}`, { where, hint, cause: error });
  }
  return new MendError("etcd-unreachable", `cannot reach "${endpoint}": ${text}`, {
    where,
    hint: endpoint.startsWith("http:")
      ? `check the address; where etcd serves TLS, use https:// and ${input("cacert")}`
      : "check the address, and that etcd runs there",
    cause: error,
  });
}
