/** An etcd that cannot be reached, with what is wrong: its certificate, ours, or the protocol. */
import { MendError } from "../errors.ts";
import { findConnectionFault } from "./connection-fault.ts";
import type { EtcdAccess } from "./etcd-connection.ts";

/** Dials the endpoint once more, with open eyes; gives the error back as it is where that tells no more. */
export async function explainEtcdFailure(
  error: MendError,
  endpoint: string,
  { tls }: EtcdAccess,
  now?: number,
): Promise<MendError> {
  const words = { authority: "--etcd-ca-path", client: "--etcd-certificate-path and --etcd-private-key-path" };
  const fault = await findConnectionFault({ url: new URL(endpoint), tls, protocol: "h2", words }, now);
  if (fault === undefined) return error;
  const details = fault.details.map((detail) => `\n  ${detail}`).join("");
  return new MendError("tls-failed", `no connection to etcd at "${endpoint}": ${fault.text}${details}`, {
    where: endpoint,
    hint: fault.hint,
    cause: error,
  });
}
