/** The kubeconfig of a server: a context for the newest moment, and one for some earlier ones. */
import { defined } from "../../errors/defined.ts";
import type { Identity } from "./identity.ts";

export interface ServedMoment {
  /** Of the context, such as `prod` or `prod@10m`. */
  readonly name: string;
  /** What its server's address ends in: nothing, or `/at/184596`. */
  readonly path: string;
}

/** JSON, which is YAML. `server` is the address without a path. */
export function kubeconfigText(
  server: string,
  { authorityPem, token }: Identity,
  moments: readonly ServedMoment[],
): string {
  const authority = Buffer.from(authorityPem).toString("base64");
  const user = "kubemend-reader";
  const config = {
    apiVersion: "v1",
    kind: "Config",
    "current-context": defined(moments[0]).name,
    clusters: moments.map(({ name, path }) => ({
      name,
      cluster: { server: `${server}${path}`, "certificate-authority-data": authority },
    })),
    users: [{ name: user, user: { token } }],
    contexts: moments.map(({ name }) => ({ name, context: { cluster: name, user } })),
  };
  return `${JSON.stringify(config, undefined, 2)}\n`;
}
