/** An etcd that cannot be reached, with what is wrong: its certificate, ours, or the protocol. */
import { MendError } from "../../errors/errors.ts";
import { findConnectionFault } from "../network/connection-fault.ts";
import type { EtcdAccess } from "./etcd-connection.ts";

/** How `recover` and etcdctl's own flags name what is to be mended. */
const RECOVER_WORDS = {
  authority: "--etcd-ca-path",
  client: "--etcd-certificate-path and --etcd-private-key-path",
};
export const ETCDCTL_WORDS = { authority: "--cacert", client: "--cert and --key" };

/** Dials the endpoint once more, with open eyes; gives the error back as it is where that tells no more. */
export async function explainEtcdFailure(
  error: MendError,
  endpoint: string,
  { tls }: EtcdAccess,
  now?: number,
  words = RECOVER_WORDS,
): Promise<MendError> {
  const url = URL.parse(endpoint);
  if (url === null) return error; // it is about a file
  const fault = await findConnectionFault({ url, tls, protocol: "h2", words }, now);
  if (fault === undefined) return error;
  const details = fault.details.map((detail) => `\n  ${detail}`).join("");
  return new MendError("tls-failed", `no connection to etcd at "${endpoint}": ${fault.text}${details}`, {
    where: endpoint,
    hint: fault.hint,
    cause: error,
  });
}
