/**
 * Credentials for Azure Blob Storage, found where Azure's own tools look for them, in this order:
 * AZURE_STORAGE_CONNECTION_STRING; AZURE_STORAGE_KEY or AZURE_STORAGE_SAS_TOKEN for the account; a service principal
 * (AZURE_TENANT_ID, AZURE_CLIENT_ID, AZURE_CLIENT_SECRET); a workload identity (AZURE_FEDERATED_TOKEN_FILE); the managed
 * identity of the machine, from its metadata service. Tokens are asked for again before they expire.
 */
import { MendError } from "../../errors/errors.ts";
import { Secret } from "../../errors/secret.ts";
import { readTextFile } from "../files/read-file.ts";
import { askForCredentials } from "./ask-for-credentials.ts";
import { checkEndpoint } from "./not-a-store.ts";

type Environment = Readonly<Record<string, string | undefined>>;

/** How requests are authorized. */
type AzureAuthorization =
  | { readonly kind: "key"; readonly key: Secret }
  | { readonly kind: "sas"; readonly token: Secret }
  | { readonly kind: "bearer"; readonly token: Secret };

export interface AzureAccount {
  /** The name of the storage account. */
  readonly name: string;
  /** Where its blobs are, without a slash at its end. */
  readonly endpoint: string;
  /** Gives what is valid now. Throws `store-refused` where there is nothing. */
  readonly authorization: () => Promise<AzureAuthorization>;
}

const BEFORE_EXPIRY_MS = 5 * 60_000;
const METADATA = "http://169.254.169.254";
const AUTHORITY = "https://login.microsoftonline.com";
const RESOURCE = "https://storage.azure.com/";

/** The account and the key of Azure's emulators, which Microsoft publishes. */
const EMULATOR: ReadonlyMap<string, string> = new Map([
  ["AccountName", "devstoreaccount1"],
  ["AccountKey", "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="],
  ["BlobEndpoint", "http://127.0.0.1:10000/devstoreaccount1"],
]);

/** `account` and `endpoint` are those of the address, which win. Throws `usage` where no account is named. */
export function findAzureAccount(
  env: Environment,
  given: { readonly account: string | undefined; readonly endpoint: string | undefined },
  now: () => number,
  signal?: AbortSignal,
): AzureAccount {
  const connection = parseConnectionString(env.AZURE_STORAGE_CONNECTION_STRING ?? "");
  const ownName = connection.get("AccountName") ?? accountOf(connection.get("BlobEndpoint"));
  const name = given.account || ownName || env.AZURE_STORAGE_ACCOUNT || accountOf(given.endpoint);
  if (!name) {
    throw new MendError("usage", "no Azure storage account is named", {
      hint: "pass ?account=NAME in the address, or set AZURE_STORAGE_ACCOUNT or AZURE_STORAGE_CONNECTION_STRING",
    });
  }
  // The connection string of another account has the keys of that one.
  const own = ownName === undefined || ownName === name ? connection : new Map<string, string>();
  const scheme = own.get("DefaultEndpointsProtocol") ?? "https";
  const suffix = own.get("EndpointSuffix") ?? "core.windows.net";
  const endpoint =
    given.endpoint ||
    own.get("BlobEndpoint") ||
    env.AZURE_STORAGE_BLOB_ENDPOINT ||
    `${scheme}://${name}.blob.${suffix}`;
  checkEndpoint(endpoint);
  const authorization = authorizationOf({ env, now, signal }, own);
  return { name, endpoint: endpoint.replace(/\/+$/, ""), authorization };
}

interface Asking {
  readonly env: Environment;
  readonly now: () => number;
  readonly signal: AbortSignal | undefined;
}

function authorizationOf(asking: Asking, connection: ReadonlyMap<string, string>): () => Promise<AzureAuthorization> {
  const { env, now } = asking;
  const key = connection.get("AccountKey") || env.AZURE_STORAGE_KEY;
  const sas = connection.get("SharedAccessSignature") || env.AZURE_STORAGE_SAS_TOKEN;
  if (key) return async () => ({ kind: "key", key: new Secret(key) });
  if (sas) return async () => ({ kind: "sas", token: new Secret(sas.replace(/^\?/, "")) });
  let known: Token | undefined;
  return async () => {
    if (known === undefined || known.expires - now() <= BEFORE_EXPIRY_MS) known = await findToken(asking);
    return { kind: "bearer", token: known.token };
  };
}

/** `Name=Value;…`; values may hold `=`. Empty for an empty text. */
function parseConnectionString(text: string): ReadonlyMap<string, string> {
  const values = new Map<string, string>();
  for (const part of text.split(";")) {
    const at = part.indexOf("=");
    if (at > 0) values.set(part.slice(0, at).trim(), part.slice(at + 1).trim());
  }
  return values.get("UseDevelopmentStorage") === "true" ? EMULATOR : values;
}

/** `https://NAME.blob.…` names the account in its host, an address with an IP or one label in its path. */
function accountOf(endpoint: string | undefined): string | undefined {
  if (!endpoint || !URL.canParse(endpoint)) return undefined;
  const { hostname, pathname } = new URL(endpoint);
  return /\.blob\./.test(hostname) ? hostname.split(".")[0] : pathname.split("/")[1] || undefined;
}

interface Token {
  readonly token: Secret;
  /** Milliseconds since the epoch. */
  readonly expires: number;
}

async function findToken(asking: Asking): Promise<Token> {
  const { env } = asking;
  const { AZURE_TENANT_ID: tenant, AZURE_CLIENT_ID: client, AZURE_CLIENT_SECRET: secret } = env;
  const file = env.AZURE_FEDERATED_TOKEN_FILE;
  if (tenant && client && secret) return await exchange(asking, tenant, client, { client_secret: secret });
  if (tenant && client && file) {
    return await exchange(asking, tenant, client, {
      client_assertion_type: "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
      client_assertion: readTextFile(file).trim(),
    });
  }
  const found = await fromMetadata(asking);
  if (found !== undefined) return found;
  throw new MendError("store-refused", "no credentials for Azure Blob Storage are found", {
    hint:
      "set AZURE_STORAGE_CONNECTION_STRING, or AZURE_STORAGE_ACCOUNT with AZURE_STORAGE_KEY or " +
      "AZURE_STORAGE_SAS_TOKEN, or give the pod or the machine an identity",
  });
}

/** The token endpoint of Microsoft Entra, version 2.0. */
async function exchange(
  { env, now, signal }: Asking,
  tenant: string,
  client: string,
  proof: Readonly<Record<string, string>>,
): Promise<Token> {
  const authority = (env.AZURE_AUTHORITY_HOST || AUTHORITY).replace(/\/+$/, "");
  const url = `${authority}/${encodeURIComponent(tenant)}/oauth2/v2.0/token`;
  const body = new URLSearchParams({
    grant_type: "client_credentials",
    client_id: client,
    scope: `${RESOURCE}.default`,
    ...proof,
  });
  const answer = await askForCredentials(url, { method: "POST", body }, signal);
  const token = answer.ok ? readToken(answer.text, now) : undefined;
  if (token !== undefined) return token;
  throw new MendError("store-refused", `"${authority}" gives no token for client ${client}: HTTP ${answer.status}`, {
    where: url,
    hint: "check AZURE_TENANT_ID and AZURE_CLIENT_ID, and the secret or the federated credential of the application",
  });
}

/** Undefined where this is no machine of Azure's, or one without an identity. */
async function fromMetadata({ env, now, signal }: Asking): Promise<Token | undefined> {
  const base = (env.AZURE_POD_IDENTITY_AUTHORITY_HOST || METADATA).replace(/\/+$/, "");
  const query = new URLSearchParams({ "api-version": "2018-02-01", resource: RESOURCE });
  if (env.AZURE_CLIENT_ID) query.set("client_id", env.AZURE_CLIENT_ID);
  try {
    const url = `${base}/metadata/identity/oauth2/token?${query}`;
    const answer = await askForCredentials(url, { headers: { metadata: "true" } }, signal);
    return answer.ok ? readToken(answer.text, now) : undefined;
  } catch (error) {
    if (error instanceof MendError && error.code === "store-unreachable") return undefined;
    throw error;
  }
}

/** `expires_on` in seconds since the epoch, else `expires_in` from now; Azure's metadata service writes both as strings. */
function readToken(text: string, now: () => number): Token | undefined {
  let value: Record<string, unknown>;
  try {
    value = JSON.parse(text) as Record<string, unknown>;
  } catch {
    return undefined;
  }
  const token = value?.access_token;
  if (typeof token !== "string" || token === "") return undefined;
  const until = Number(value.expires_on) * 1000 || now() + (Number(value.expires_in) || 300) * 1000;
  return { token: new Secret(token), expires: until };
}
