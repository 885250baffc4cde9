/** An etcd that cannot be reached, with what is wrong: its certificate, ours, or the protocol. */
import { MendError } from "../../errors/errors.ts";
import { input } from "../../errors/input.ts";
import { findConnectionFault } from "../network/connection-fault.ts";
import type { EtcdAccess } from "./etcd-connection.ts";

const INPUTS = { authority: input("cacert"), client: `${input("cert")} and ${input("key")}` };

/** Dials the endpoint once more, with open eyes; gives the error back as it is where that shows nothing more. */
export async function explainEtcdFailure(
  error: MendError,
  endpoint: string,
  { tls }: EtcdAccess,
  now?: number,
): Promise<MendError> {
  const url = URL.parse(endpoint);
  if (url === null) return error; // it is about a file
  const fault = await findConnectionFault({ url, tls, protocol: "h2", words: INPUTS }, now);
  if (fault === undefined) return error;
  const details = fault.details.map((detail) => `\n  ${detail}`).join("");
  return new MendError("tls-failed", `no connection to etcd at "${endpoint}": ${fault.text}${details}`, {
    where: endpoint,
    hint: fault.hint,
    cause: error,
  });
}
