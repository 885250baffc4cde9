/** Failed connections, in words, by the code that Node gives them. */
import { MendError } from "../../errors/errors.ts";

const TLS: Readonly<Record<string, readonly [text: string, hint: string]>> = {
  CERT_HAS_EXPIRED: [
    "its certificate has expired",
    "renew the server's certificate, or pass --insecure-skip-tls-verify to go on without it",
  ],
  CERT_NOT_YET_VALID: ["its certificate is not valid yet", "check the clocks of both machines"],
  DEPTH_ZERO_SELF_SIGNED_CERT: [
    "its certificate is signed by itself",
    "pass the CA it is to be checked with as --cacert",
  ],
  SELF_SIGNED_CERT_IN_CHAIN: ["its CA is not known", "pass the CA that signed it as --cacert"],
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: ["its certificate is not of the given CA", "pass the CA that signed it as --cacert"],
  UNABLE_TO_GET_ISSUER_CERT: ["the CA that signed its certificate is missing", "pass the whole chain as --cacert"],
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: ["its CA is not known", "pass the CA that signed it as --cacert"],
  CERT_SIGNATURE_FAILURE: ["its certificate is not of the given CA", "pass the CA that signed it as --cacert"],
  CERT_REVOKED: ["its certificate was revoked", "give the server a new certificate"],
  ERR_TLS_CERT_ALTNAME_INVALID: [
    "its certificate is for other names",
    "use one of the names that it is for, or have it made for this one",
  ],
  ERR_SSL_SSLV3_ALERT_BAD_CERTIFICATE: [
    "it does not accept our certificate",
    "pass a client certificate of etcd's CA as --cert and --key",
  ],
  ERR_SSL_TLSV1_ALERT_UNKNOWN_CA: [
    "it does not know the CA of our certificate",
    "pass a client certificate of etcd's CA as --cert and --key",
  ],
  ERR_SSL_SSLV3_ALERT_CERTIFICATE_EXPIRED: [
    "it says that our certificate has expired",
    "renew the one given as --cert",
  ],
  ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED: ["it wants a client certificate", "pass --cert and --key"],
  ERR_SSL_SSLV3_ALERT_HANDSHAKE_FAILURE: ["it wants a client certificate, or other ciphers", "pass --cert and --key"],
  ERR_SSL_WRONG_VERSION_NUMBER: ["it does not speak TLS", "use http:// for this endpoint"],
  ERR_SSL_PACKET_LENGTH_TOO_LONG: ["it does not speak TLS", "use http:// for this endpoint"],
};

const NETWORK: Readonly<Record<string, string>> = {
  ECONNREFUSED: "nothing listens there",
  ECONNRESET: "it closed the connection",
  EPIPE: "it closed the connection",
  ETIMEDOUT: "it does not answer",
  EHOSTUNREACH: "there is no route to it",
  ENETUNREACH: "there is no route to it",
  ENOTFOUND: "its name is not known",
  EAI_AGAIN: "its name cannot be resolved now",
  ERR_HTTP2_ERROR: "it does not speak HTTP/2, as etcd does",
  ERR_HTTP2_SESSION_ERROR: "it broke the connection off",
  ERR_HTTP2_STREAM_ERROR: "it broke the answer off",
  ERR_HTTP2_STREAM_CANCEL: "it broke the connection off",
};

/** An error of a connection as a `MendError`: `tls-failed` or `etcd-unreachable`. Those that are one already come back as they are. */
export function transportError(error: unknown, endpoint: string): unknown {
  if (error instanceof MendError || !(error instanceof Error)) return error;
  if (error.name === "AbortError") return error;
  const code = codeOf(error);
  const tls = code === undefined ? undefined : TLS[code];
  if (tls !== undefined) {
    return new MendError("tls-failed", `no secure connection to "${endpoint}": ${tls[0]}${details(error)}`, {
      where: endpoint,
      hint: tls[1],
      cause: error,
    });
  }
  if (code?.startsWith("ERR_SSL_") || code?.startsWith("ERR_TLS_") || code?.startsWith("ERR_OSSL_")) {
    return new MendError("tls-failed", `no secure connection to "${endpoint}": ${code}`, {
      where: endpoint,
      hint: "check --cacert, --cert and --key",
      cause: error,
    });
  }
  const text = (code === undefined ? undefined : NETWORK[code]) ?? (code === undefined ? "the connection ended" : code);
  return new MendError("etcd-unreachable", `cannot reach "${endpoint}": ${text}`, {
    where: endpoint,
    hint: endpoint.startsWith("http:")
      ? "check the address; where etcd serves TLS, use https:// and --cacert"
      : "check the address, and that etcd runs there",
    cause: error,
  });
}

function codeOf(error: Error): string | undefined {
  const { code } = error as NodeJS.ErrnoException;
  if (typeof code === "string") return code;
  // Several addresses were tried: the first one's failure stands for all.
  const { errors } = error as AggregateError;
  return Array.isArray(errors) && errors[0] instanceof Error ? codeOf(errors[0]) : undefined;
}

/** Which names a certificate is for. */
function details(error: Error): string {
  const { cert, code } = error as { cert?: { subjectaltname?: string }; code?: string };
  if (code === "ERR_TLS_CERT_ALTNAME_INVALID" && cert?.subjectaltname !== undefined) return ` (${cert.subjectaltname})`;
  return "";
}
