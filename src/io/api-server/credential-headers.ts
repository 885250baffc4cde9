/**
 * Who asks, in the headers of a request: a token or a password, and as whom else
 * (https://kubernetes.io/docs/reference/access-authn-authz/authentication/#user-impersonation).
 */
import type { Impersonation } from "./impersonation.ts";
import type { ClusterAccess } from "./kubeconfig-access.ts";

export type Headers = Readonly<Record<string, string | readonly string[]>>;

/** They are secrets. */
export function credentialHeaders({ token, basic, impersonate }: ClusterAccess): Headers {
  const login = basic && Buffer.from(`${basic.username}:${basic.password.expose()}`, "utf8").toString("base64");
  return {
    ...(login !== undefined && { authorization: `Basic ${login}` }),
    ...(token !== undefined && { authorization: `Bearer ${token.expose()}` }),
    ...(impersonate !== undefined && impersonationHeaders(impersonate)),
  };
}

function impersonationHeaders({ user, uid, groups, extra }: Impersonation): Headers {
  const fields = Object.entries(extra).map(([name, values]) => [
    `Impersonate-Extra-${headerName(name)}`,
    values.map(headerValue),
  ]);
  return {
    "Impersonate-User": headerValue(user),
    ...(uid !== undefined && { "Impersonate-Uid": headerValue(uid) }),
    ...(groups.length > 0 && { "Impersonate-Group": groups.map(headerValue) }),
    ...Object.fromEntries(fields),
  };
}

/** As client-go writes names that are no header's: each byte as `%XX`. */
function headerName(name: string): string {
  return [...Buffer.from(name, "utf8")]
    .map((byte) => {
      const letter = String.fromCharCode(byte);
      return /[A-Za-z0-9!#$&'*+.^_`|~-]/.test(letter) ? letter : `%${byte.toString(16).toUpperCase().padStart(2, "0")}`;
    })
    .join("");
}

/** Go sends the bytes of UTF-8; Node takes each character for a byte. */
function headerValue(text: string): string {
  return Buffer.from(text, "utf8").toString("latin1");
}
