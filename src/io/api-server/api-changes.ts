/** What is recorded of a request that changes something in a cluster: by its method and its path. */
import { X509Certificate } from "node:crypto";
import { objectOf, textOf } from "../../kube/fields.ts";
import type { JsonObject } from "../../kube/object.ts";
import { recordChange } from "../audit/audit-trail.ts";
import { parseObject } from "./api-error.ts";
import type { ClusterAccess } from "./kubeconfig-access.ts";

interface ApiRequest {
  readonly method: string;
  readonly path: string;
  readonly body?: JsonObject | undefined;
}

/** As RBAC and the API server's own audit log name them. */
const VERBS: Readonly<Record<string, string>> = {
  POST: "create",
  PUT: "update",
  PATCH: "patch",
  DELETE: "delete",
};
/** They are answered, and nothing is stored. */
const REVIEWS = /\/(?:\w*reviews|token)$/;

/** `answer` is undefined where it is not known whether the request was carried out. */
export function recordApiChange(access: ClusterAccess, request: ApiRequest, answer: string | undefined): void {
  const action = VERBS[request.method];
  const [path = "", query = ""] = request.path.split("?");
  if (action === undefined || REVIEWS.test(path) || isDryRun(query, request.body)) return;
  recordChange({
    action,
    target: action === "create" ? path + nameOf(request.body, answer) : path,
    by: `${access.server.origin} as ${whoAsks(access)}`,
    ...(answer === undefined && { uncertain: true }),
  });
}

function isDryRun(query: string, body: JsonObject | undefined): boolean {
  return /(?:^|&)dryRun=All(?:&|$)/.test(query) || (Array.isArray(body?.dryRun) && body.dryRun.length > 0);
}

/** What is created in a collection has its name in itself, or gets it. A subresource's path has the name already. */
function nameOf(body: JsonObject | undefined, answer: string | undefined): string {
  const created = answer === undefined ? undefined : parseObject(answer);
  if (body?.kind === "Eviction" || created?.kind === "Status") return "";
  const name = textOf(objectOf(created?.metadata).name) || textOf(objectOf(body?.metadata).name);
  return name === "" ? "" : `/${name}`;
}

/** The user as the API server will find it, where the credentials say so themselves; else what they are. */
function whoAsks(access: ClusterAccess): string {
  const own = ownName(access);
  return access.impersonate === undefined ? own : `${access.impersonate.user} (asked by ${own})`;
}

function ownName({ basic, certificate, token }: ClusterAccess): string {
  if (token !== undefined) return tokenSubject(token.expose()) ?? "the owner of a token";
  if (basic !== undefined) return basic.username;
  if (certificate === undefined) return "system:anonymous";
  return commonName(certificate) ?? "the owner of a certificate";
}

/** Of a JSON Web Token, which is what service accounts and OIDC have. The token itself goes nowhere. */
function tokenSubject(token: string): string | undefined {
  const claims = token.split(".")[1];
  if (claims === undefined) return undefined;
  const subject = parseObject(Buffer.from(claims, "base64url").toString("utf8"))?.sub;
  return typeof subject === "string" && subject !== "" ? subject : undefined;
}

function commonName(certificate: string): string | undefined {
  try {
    return /^CN=(.*)$/m.exec(new X509Certificate(certificate).subject)?.[1];
  } catch {
    return undefined; // the connection says what is wrong with it
  }
}
