/** How the node agent protects the manifests of static pods. */
import { oneOf, words } from "./flag.ts";

export function protectFlags(texts: { readonly manifests: string; readonly keyFile: string }) {
  return {
    protectManifests: oneOf("--protect-manifests [how]", ["mend", "notice"], texts.manifests, { preset: "mend" }),
    protectKeyFile: words("--protect-key-file <file>", texts.keyFile),
  };
}
