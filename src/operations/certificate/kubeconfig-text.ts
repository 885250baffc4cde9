/** Kubeconfigs, as kubeadm writes them. */
import { stringify } from "yaml";

/** `credentials` are the fields of the user. `authority` is PEM. */
export function kubeconfigText(user: string, server: string, authority: string, credentials: object): string {
  const context = `${user}@kubernetes`;
  return stringify(
    {
      apiVersion: "v1",
      clusters: [{ cluster: { "certificate-authority-data": base64(authority), server }, name: "kubernetes" }],
      contexts: [{ context: { cluster: "kubernetes", user }, name: context }],
      "current-context": context,
      kind: "Config",
      users: [{ name: user, user: credentials }],
    },
    { lineWidth: 0 },
  );
}

export function base64(text: string): string {
  return Buffer.from(text).toString("base64");
}
