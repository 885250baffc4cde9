/**
 * Credentials for S3, found where AWS's own tools look for them, in their order: the environment, a web identity
 * (IRSA), the shared files with AWS_PROFILE, a container's endpoint (ECS, EKS pod identity), the instance's metadata
 * (IMDSv2). Those that expire are asked for again before they do.
 */
import { join } from "node:path";
import { MendError } from "../../errors/errors.ts";
import { Secret } from "../../errors/secret.ts";
import { readTextFile } from "../files/read-file.ts";
import { askForCredentials } from "./ask-for-credentials.ts";
import { tagText } from "./xml-text.ts";

interface Asking {
  readonly env: Environment;
  readonly signal: AbortSignal | undefined;
}

export interface S3Credentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: Secret;
  readonly sessionToken?: Secret;
  /** Milliseconds since the epoch; undefined for those that stay. */
  readonly expires?: number;
}

type Environment = Readonly<Record<string, string | undefined>>;

const BEFORE_EXPIRY_MS = 5 * 60_000;
const METADATA = "http://169.254.169.254";
const CONTAINER = "http://169.254.170.2";

/** A function that gives credentials that are good now. It throws `store-refused` where there are none anywhere. */
export function createS3Credentials(
  env: Environment,
  now: () => number,
  signal?: AbortSignal,
): () => Promise<S3Credentials> {
  let known: S3Credentials | undefined;
  return async () => {
    if (known !== undefined && (known.expires === undefined || known.expires - now() > BEFORE_EXPIRY_MS)) return known;
    known = await find({ env, signal });
    return known;
  };
}

async function find(asking: Asking): Promise<S3Credentials> {
  const { env } = asking;
  const found =
    fromEnvironment(env) ??
    (await fromWebIdentity(asking)) ??
    fromSharedFiles(env) ??
    (await fromContainer(asking)) ??
    (await fromMetadata(asking));
  if (found !== undefined) return found;
  throw new MendError("store-refused", "no credentials for S3 are found", {
    hint: "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE for ~/.aws/credentials, or give the pod or the machine a role",
  });
}

function credentials(accessKeyId: string, key: string, token?: string, expiration?: string): S3Credentials {
  return {
    accessKeyId,
    secretAccessKey: new Secret(key),
    ...(token ? { sessionToken: new Secret(token) } : {}),
    ...(expiration ? { expires: Date.parse(expiration) } : {}),
  };
}

function fromEnvironment(env: Environment): S3Credentials | undefined {
  const {
    AWS_ACCESS_KEY_ID: accessKeyId,
    AWS_SECRET_ACCESS_KEY: secretAccessKey,
    AWS_SESSION_TOKEN: sessionToken,
  } = env;
  if (!accessKeyId || !secretAccessKey) return undefined;
  return credentials(accessKeyId, secretAccessKey, sessionToken);
}

function fromSharedFiles(env: Environment): S3Credentials | undefined {
  const home = env.HOME ?? "/root";
  const profile = env.AWS_PROFILE || "default";
  const places = [
    [env.AWS_SHARED_CREDENTIALS_FILE || join(home, ".aws/credentials"), profile],
    [env.AWS_CONFIG_FILE || join(home, ".aws/config"), profile === "default" ? profile : `profile ${profile}`],
  ] as const;
  for (const [path, section] of places) {
    const values = readSection(path, section);
    const accessKeyId = values?.get("aws_access_key_id");
    const secretAccessKey = values?.get("aws_secret_access_key");
    if (!accessKeyId || !secretAccessKey) continue;
    const sessionToken = values?.get("aws_session_token");
    return credentials(accessKeyId, secretAccessKey, sessionToken);
  }
  return undefined;
}

/** A section of an INI file; undefined where there is none. */
export function readSection(path: string, section: string): Map<string, string> | undefined {
  let text: string;
  try {
    text = readTextFile(path);
  } catch {
    return undefined; // not there, or not ours to read: there are other places
  }
  let values: Map<string, string> | undefined;
  for (const line of text.split("\n")) {
    const name = /^\s*\[\s*([^\]]+?)\s*\]/.exec(line)?.[1];
    if (name !== undefined) {
      if (values !== undefined) break;
      if (name === section) values = new Map();
      continue;
    }
    const [, key, value] = /^\s*([A-Za-z0-9_]+)\s*=\s*(.*?)\s*$/.exec(line) ?? [];
    if (key !== undefined && value !== undefined) values?.set(key.toLowerCase(), value);
  }
  return values;
}

async function fromWebIdentity({ env, signal }: Asking): Promise<S3Credentials | undefined> {
  const { AWS_WEB_IDENTITY_TOKEN_FILE: file, AWS_ROLE_ARN: role } = env;
  if (!file || !role) return undefined;
  const region = env.AWS_REGION || env.AWS_DEFAULT_REGION;
  const endpoint =
    env.AWS_ENDPOINT_URL_STS || (region ? `https://sts.${region}.amazonaws.com` : "https://sts.amazonaws.com");
  const query = new URLSearchParams({
    Action: "AssumeRoleWithWebIdentity",
    Version: "2011-06-15",
    RoleArn: role,
    RoleSessionName: env.AWS_ROLE_SESSION_NAME || "kubemend",
    WebIdentityToken: readTextFile(file).trim(),
  });
  const answer = await askForCredentials(endpoint, { method: "POST", body: query }, signal);
  if (!answer.ok) {
    throw new MendError(
      "store-refused",
      `"${endpoint}" gives no credentials for ${role}: ${tagText(answer.text, "Message") ?? `HTTP ${answer.status}`}`,
      {
        where: endpoint,
        hint: "check the role's trust policy, and AWS_ROLE_ARN",
      },
    );
  }
  const [accessKeyId, secretAccessKey, sessionToken, expiration] = [
    "AccessKeyId",
    "SecretAccessKey",
    "SessionToken",
    "Expiration",
  ].map((tag) => tagText(answer.text, tag));
  if (!accessKeyId || !secretAccessKey || !sessionToken) return undefined;
  return credentials(accessKeyId, secretAccessKey, sessionToken, expiration);
}

async function fromContainer({ env, signal }: Asking): Promise<S3Credentials | undefined> {
  const relative = env.AWS_CONTAINER_CREDENTIALS_RELATIVE_URI;
  const url = env.AWS_CONTAINER_CREDENTIALS_FULL_URI || (relative ? `${CONTAINER}${relative}` : "");
  if (url === "") return undefined;
  const file = env.AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE;
  const token = file ? readTextFile(file).trim() : env.AWS_CONTAINER_AUTHORIZATION_TOKEN;
  const answer = await askForCredentials(url, { headers: token ? { authorization: token } : {} }, signal);
  return answer.ok ? fromJson(answer.text) : undefined;
}

async function fromMetadata({ env, signal }: Asking): Promise<S3Credentials | undefined> {
  if (/^true$/i.test(env.AWS_EC2_METADATA_DISABLED ?? "")) return undefined;
  const base = env.AWS_EC2_METADATA_SERVICE_ENDPOINT || METADATA;
  try {
    const wish = { method: "PUT", headers: { "x-aws-ec2-metadata-token-ttl-seconds": "21600" } };
    const token = await askForCredentials(`${base}/latest/api/token`, wish, signal);
    if (!token.ok) return undefined;
    const headers = { "x-aws-ec2-metadata-token": token.text };
    const path = `${base}/latest/meta-data/iam/security-credentials/`;
    const role = await askForCredentials(path, { headers }, signal);
    if (!role.ok) return undefined;
    const answer = await askForCredentials(path + role.text.trim().split("\n")[0], { headers }, signal);
    return answer.ok ? fromJson(answer.text) : undefined;
  } catch (error) {
    if (error instanceof MendError) return undefined; // not on such a machine
    throw error;
  }
}

function fromJson(text: string): S3Credentials | undefined {
  try {
    const { AccessKeyId, SecretAccessKey, Token, Expiration } = JSON.parse(text) as Record<string, string | undefined>;
    if (!AccessKeyId || !SecretAccessKey) return undefined;
    return credentials(AccessKeyId, SecretAccessKey, Token, Expiration);
  } catch {
    return undefined;
  }
}
