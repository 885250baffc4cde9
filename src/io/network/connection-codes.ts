/**
 * What can go wrong with a connection, by the code that Node gives it: names and routes, TCP, certificates, TLS alerts,
 * HTTP. One table for every server that is dialed.
 *
 * Codes of certificates are OpenSSL's (`X509_V_ERR_…`), of alerts RFC 8446, 6. Alerts have other names in each OpenSSL:
 * the certificate that has expired is `ERR_SSL_SSLV3_ALERT_CERTIFICATE_EXPIRED` up to OpenSSL 3.1 (Node 20 and 22) and
 * `ERR_SSL_SSL/TLS_ALERT_CERTIFICATE_EXPIRED` since 3.2 (Node 24 and later).
 */

/** Who has to do something about it. */
export type ConnectionFaultKind =
  /** Its certificate cannot be trusted. */
  | "server-certificate"
  /** It does not accept our certificate, or lacks one. */
  | "client-certificate"
  /** Both sides do not speak the same protocol. */
  | "protocol"
  /** Its name has no address. */
  | "name"
  /** Nobody is there, or somebody on the way does not let us through. */
  | "network"
  /** The connection came about and ended. */
  | "broken-off";

export interface ConnectionCode {
  readonly kind: ConnectionFaultKind;
  /** A sentence without its subject's name, to follow "cannot reach NAME: ". */
  readonly text: string;
}

const serverCertificate = (text: string): ConnectionCode => ({ kind: "server-certificate", text });
const clientCertificate = (text: string): ConnectionCode => ({ kind: "client-certificate", text });
const protocol = (text: string): ConnectionCode => ({ kind: "protocol", text });
const network = (text: string): ConnectionCode => ({ kind: "network", text });
const brokenOff = (text: string): ConnectionCode => ({ kind: "broken-off", text });

const UNKNOWN_CA = serverCertificate("its certificate is of an authority that is not the given one");
const NOT_TLS = protocol("it does not speak TLS there");
const NOT_HTTP = protocol("it does not speak HTTP there");

const CODES: Readonly<Record<string, ConnectionCode>> = {
  CERT_HAS_EXPIRED: serverCertificate("its certificate has expired"),
  CERT_NOT_YET_VALID: serverCertificate("its certificate is not valid yet by the clock of this machine"),
  CERT_REVOKED: serverCertificate("its certificate was revoked"),
  CERT_REJECTED: serverCertificate("its certificate is not for a server"),
  CERT_UNTRUSTED: UNKNOWN_CA,
  CERT_SIGNATURE_FAILURE: serverCertificate("its certificate is of another authority with the same name"),
  CERT_CHAIN_TOO_LONG: serverCertificate("its certificate chain is too long"),
  DEPTH_ZERO_SELF_SIGNED_CERT: serverCertificate("its certificate is signed by itself"),
  SELF_SIGNED_CERT_IN_CHAIN: UNKNOWN_CA,
  UNABLE_TO_GET_ISSUER_CERT: UNKNOWN_CA,
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: UNKNOWN_CA,
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: UNKNOWN_CA,
  UNABLE_TO_DECRYPT_CERT_SIGNATURE: serverCertificate("its certificate is damaged"),
  UNABLE_TO_DECODE_ISSUER_PUBLIC_KEY: serverCertificate("its certificate is damaged"),
  ERROR_IN_CERT_NOT_BEFORE_FIELD: serverCertificate("its certificate is damaged"),
  ERROR_IN_CERT_NOT_AFTER_FIELD: serverCertificate("its certificate is damaged"),
  INVALID_CA: serverCertificate("its certificate is signed by one that is no authority"),
  PATH_LENGTH_EXCEEDED: serverCertificate("its certificate is of an authority that may not sign it"),
  INVALID_PURPOSE: serverCertificate("its certificate is not for a server"),
  HOSTNAME_MISMATCH: serverCertificate("its certificate is for other names"),
  ERR_TLS_CERT_ALTNAME_INVALID: serverCertificate("its certificate is for other names"),
  EE_KEY_TOO_SMALL: serverCertificate("its certificate has a key that is too short to be trusted"),
  CA_KEY_TOO_SMALL: serverCertificate("its authority has a key that is too short to be trusted"),
  CA_MD_TOO_WEAK: serverCertificate("its certificate is signed by a method that is no longer trusted"),
  ERR_SSL_WRONG_VERSION_NUMBER: NOT_TLS,
  ERR_SSL_PACKET_LENGTH_TOO_LONG: NOT_TLS,
  ERR_SSL_HTTP_REQUEST: NOT_TLS,
  ERR_SSL_RECORD_LAYER_FAILURE: NOT_TLS,
  EPROTO: NOT_TLS,
  ERR_SSL_UNSUPPORTED_PROTOCOL: protocol("it speaks no version of TLS that this machine allows"),
  ERR_SSL_DH_KEY_TOO_SMALL: protocol("its TLS uses keys that are too short"),
  ERR_SSL_UNSAFE_LEGACY_RENEGOTIATION_DISABLED: protocol("its TLS is too old to be safe"),
  ERR_SSL_NO_PROTOCOLS_AVAILABLE: protocol("there is no version of TLS that both sides have"),
  ERR_TLS_HANDSHAKE_TIMEOUT: brokenOff("it does not complete a TLS handshake"),
  ECONNREFUSED: network("nothing listens there"),
  EHOSTUNREACH: network("there is no route to the host"),
  EHOSTDOWN: network("the host is down"),
  ENETUNREACH: network("there is no route to the network"),
  ENETDOWN: network("this machine's network is down"),
  EADDRNOTAVAIL: network("this machine has no address to reach it from"),
  EACCES: network("this machine does not allow connections there"),
  EPERM: network("a rule of this machine's firewall does not allow connections there"),
  ETIMEDOUT: network("it does not answer"),
  ENOENT: network("there is no such socket"),
  EPROXY: network("the proxy refuses to connect to it"),
  ENOTFOUND: { kind: "name", text: "its name does not resolve" },
  EAI_AGAIN: { kind: "name", text: "its name cannot be resolved now" },
  EAI_FAIL: { kind: "name", text: "its name cannot be resolved" },
  ENODATA: { kind: "name", text: "its name has no address" },
  ECONNRESET: brokenOff("it closed the connection"),
  ECONNABORTED: brokenOff("it closed the connection"),
  EPIPE: brokenOff("it closed the connection"),
  ENOTCONN: brokenOff("it closed the connection"),
  ERR_STREAM_PREMATURE_CLOSE: brokenOff("it closed the connection"),
  ERR_HTTP2_ERROR: protocol("it does not speak HTTP/2, as gRPC requires"),
  ERR_HTTP2_SESSION_ERROR: brokenOff("it ended the connection"),
  ERR_HTTP2_STREAM_ERROR: brokenOff("it ended its answer before it was complete"),
  ERR_HTTP2_STREAM_CANCEL: brokenOff("it ended the connection"),
  ERR_HTTP2_GOAWAY_SESSION: brokenOff("it ended the connection"),
  ERR_HTTP2_TOO_MANY_INVALID_FRAMES: protocol("it does not speak HTTP/2, as gRPC requires"),
  HPE_INVALID_CONSTANT: NOT_HTTP,
  HPE_INVALID_VERSION: NOT_HTTP,
  HPE_INVALID_STATUS: NOT_HTTP,
  HPE_INVALID_HEADER_TOKEN: protocol("its answer has headers that are not HTTP"),
  HPE_INVALID_CONTENT_LENGTH: protocol("its answer has a length that cannot be"),
  HPE_UNEXPECTED_CONTENT_LENGTH: protocol("its answer has two lengths"),
  HPE_INVALID_CHUNK_SIZE: protocol("its answer is damaged"),
  HPE_INVALID_TRANSFER_ENCODING: protocol("its answer is damaged"),
  HPE_HEADER_OVERFLOW: protocol("its answer has headers without end"),
  HPE_CLOSED_CONNECTION: protocol("it sends more than it announced"),
  HPE_INVALID_EOF_STATE: brokenOff("it ended its answer before it was complete"),
  HPE_CB_HEADERS_COMPLETE: NOT_HTTP,
  ERR_HTTP_RESPONSE_INCOMPLETE: brokenOff("it ended its answer before it was complete"),
};

/** Alerts that a TLS server may send, without the prefix that OpenSSL gives them. */
const ALERTS: Readonly<Record<string, ConnectionCode>> = {
  CERTIFICATE_REQUIRED: clientCertificate("it requires a client certificate, and got none"),
  BAD_CERTIFICATE: clientCertificate("it does not accept our certificate"),
  UNSUPPORTED_CERTIFICATE: clientCertificate("it does not accept certificates of our kind"),
  CERTIFICATE_REVOKED: clientCertificate("it says that our certificate was revoked"),
  CERTIFICATE_EXPIRED: clientCertificate("it says that our certificate has expired"),
  CERTIFICATE_UNKNOWN: clientCertificate("it does not accept our certificate"),
  UNKNOWN_CA: clientCertificate("it does not know the authority of our certificate"),
  ACCESS_DENIED: clientCertificate("it does not let our certificate in"),
  NO_CERTIFICATE: clientCertificate("it requires a client certificate, and got none"),
  HANDSHAKE_FAILURE: clientCertificate("it requires a client certificate, or other ciphers than ours"),
  PROTOCOL_VERSION: protocol("it speaks no version of TLS that we do"),
  INSUFFICIENT_SECURITY: protocol("it requires stronger ciphers than ours"),
  NO_APPLICATION_PROTOCOL: protocol("it does not speak the protocol that was asked for"),
  INAPPROPRIATE_FALLBACK: protocol("it speaks no version of TLS that we do"),
  UNRECOGNIZED_NAME: protocol("it does not serve that name"),
  DECRYPT_ERROR: clientCertificate("it cannot verify that our key matches our certificate"),
  UNEXPECTED_MESSAGE: NOT_TLS,
  RECORD_OVERFLOW: NOT_TLS,
  INTERNAL_ERROR: brokenOff("its TLS has an internal error"),
};

const ALERT = /^ERR_SSL_(?:SSL\/TLS|SSLV3|TLSV1|TLSV1\.3|TLSV13)_(?:ALERT_)?(.+)$/;

/** Undefined for a code that says nothing about a connection. Every alert is known, if only as that the other side ended the handshake. */
export function connectionCode(code: string | undefined): ConnectionCode | undefined {
  if (code === undefined) return undefined;
  const known = CODES[code];
  if (known !== undefined) return known;
  const [, alert] = ALERT.exec(code) ?? [];
  if (alert !== undefined) {
    const name = alert.toLowerCase().replaceAll("_", " ");
    return ALERTS[alert] ?? protocol(`it ended the TLS handshake with the alert "${name}"`);
  }
  if (code.startsWith("HPE_")) return NOT_HTTP;
  if (/^ERR_(SSL|TLS|OSSL)_/.test(code)) return protocol(`TLS fails with ${code}`);
  return undefined;
}

/** The code of an error, or of the first of several: where a name has many addresses, each of them was tried. */
export function errorCode(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined;
  const { code, errors } = error as NodeJS.ErrnoException & { errors?: unknown };
  const first = Array.isArray(errors) ? errorCode(errors[0]) : undefined;
  return first ?? (typeof code === "string" ? code : undefined);
}

/** What is said of an error of a connection; for a code that is not in the table, the code itself. */
export function connectionFault(error: unknown): ConnectionCode {
  const code = errorCode(error);
  const names = alternativeNames(error);
  const { proxy, proxyCode } = (error ?? {}) as { proxy?: string; proxyCode?: string };
  if (code === "EPROXY" && proxy !== undefined)
    return {
      kind: "network",
      text: `its proxy "${proxy}" gives no connection: ${connectionCode(proxyCode)?.text ?? proxyCode}`,
    };
  const known = connectionCode(code);
  if (known !== undefined) return names === "" ? known : { ...known, text: `${known.text} (${names})` };
  return brokenOff(code === undefined ? "the connection ended" : `the connection failed with ${code}`);
}

/** Which names a certificate is for, where it is for others than the one that was dialed. */
function alternativeNames(error: unknown): string {
  const { cert, code } = (error ?? {}) as { cert?: { subjectaltname?: string }; code?: string };
  return code === "ERR_TLS_CERT_ALTNAME_INVALID" ? (cert?.subjectaltname ?? "") : "";
}
