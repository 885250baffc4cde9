/** An API server that cannot be asked, with what is wrong: its certificate, ours, the protocol, or that it does not know us. */
import { clientFaults, describeCertificate, readCertificates } from "../../certificates/faults.ts";
import { MendError } from "../../errors/errors.ts";
import { findConnectionFault } from "../network/connection-fault.ts";
import { ApiError } from "./cluster-api.ts";
import type { ClusterAccess } from "./kubeconfig.ts";

/** Gives the error back as it is where there is nothing to add, and where a proxy stands between. */
export async function explainApiFailure(error: unknown, access: ClusterAccess, now = Date.now()): Promise<unknown> {
  if (!(error instanceof MendError)) return error;
  if (error instanceof ApiError) {
    if (error.status === 401 || (error.status === 403 && isAnonymous(access)))
      return explainRefusal(error, access, now);
    // A server with TLS answers 400 to a request without.
    if (error.status !== 400 || access.server.protocol !== "http:") return error;
  } else if (error.code !== "api-unreachable" && error.code !== "api-untrusted") return error;
  if (access.proxy !== undefined) return error;
  const { server, serverName, ca, certificate, key, insecure, source } = access;
  const tls = {
    rejectUnauthorized: !insecure,
    ...(ca !== undefined && { ca }),
    ...(certificate !== undefined && { cert: certificate }),
    ...(key !== undefined && { key }),
  };
  const words = {
    authority: "certificate-authority in the kubeconfig",
    client: "client-certificate in the kubeconfig",
  };
  const fault = await findConnectionFault({ url: server, tls, serverName, protocol: "http/1.1", words }, now);
  if (fault === undefined) return error;
  const details = fault.details.map((detail) => `\n  ${detail}`).join("");
  return new MendError(
    "api-untrusted",
    `no connection to the API server at "${server.host}": ${fault.text}${details}`,
    {
      where: source,
      hint: fault.hint,
      cause: error,
    },
  );
}

function isAnonymous({ certificate, token }: ClusterAccess): boolean {
  return certificate === undefined && token === undefined;
}

/** The API server takes a connection with any client certificate, and then does not know who it is: an expired one looks like none. */
function explainRefusal(error: ApiError, access: ClusterAccess, now: number): MendError {
  const [own] = access.certificate === undefined ? [] : readCertificates(access.certificate);
  const authorities = access.ca === undefined ? undefined : readCertificates(access.ca);
  const host = access.server.host;
  const make = (reason: string, hint: string) =>
    new MendError("api-denied", `the API server at "${host}" does not know who we are: ${reason}`, {
      where: access.source,
      hint,
      cause: error,
    });
  if (own === undefined) {
    return access.token === undefined
      ? make("the kubeconfig has no credentials", "pass a kubeconfig with a client certificate or a token")
      : make("it does not accept the token", "pass a kubeconfig whose token is of this cluster and has not expired");
  }
  const faults = clientFaults(own, { authorities, now });
  const detail = `\n  our certificate: ${describeCertificate(own)}`;
  const expired = faults.find(({ kind }) => kind === "expired" || kind === "not-yet-valid");
  if (expired !== undefined) {
    return make(
      `the client certificate ${expired.text}${detail}`,
      "pass a kubeconfig with a client certificate that is valid, such as /etc/kubernetes/admin.conf of a control-plane node",
    );
  }
  const reason = faults[0]?.text ?? "is not of an authority that it accepts";
  return make(
    `the client certificate ${reason}${detail}`,
    "pass the kubeconfig of this cluster: this one may be another's",
  );
}
