/** Credentials, found as AWS's and Azure's own tools find them: each way on a server that answers as the real one does. */
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { findAzureAccount } from "../../src/io/stores/azure-credentials.ts";
import { createS3Credentials } from "../../src/io/stores/s3-credentials.ts";

const cwd = mkdtempSync(join(tmpdir(), "kubemend-credentials-"));
const NOW = Date.parse("2026-11-29T10:00:00Z");
const EXPIRES = "2026-11-29T11:00:00Z";

/** What was asked, as `METHOD PATH?QUERY` and its body. */
const asked: { readonly line: string; readonly body: string; readonly headers: Record<string, unknown> }[] = [];
const ROLE = JSON.stringify({
  Code: "Success",
  AccessKeyId: "ASIA-metadata",
  SecretAccessKey: "secret",
  Token: "session",
  Expiration: EXPIRES,
});
const STS = `<AssumeRoleWithWebIdentityResponse><Credentials><AccessKeyId>ASIA-web</AccessKeyId>
<SecretAccessKey>secret</SecretAccessKey><SessionToken>session</SessionToken><Expiration>${EXPIRES}</Expiration>
</Credentials></AssumeRoleWithWebIdentityResponse>`;
const ENTRA = JSON.stringify({ token_type: "Bearer", expires_in: 3600, access_token: "entra-token" });
const IMDS = JSON.stringify({
  access_token: "machine-token",
  expires_in: "3600",
  expires_on: String(Date.parse(EXPIRES) / 1000),
  resource: "https://storage.azure.com/",
  token_type: "Bearer",
});

const server = createServer((request, answer) => {
  const parts: Buffer[] = [];
  request.on("data", (part: Buffer) => parts.push(part));
  request.on("end", () => {
    const line = `${request.method} ${request.url}`;
    const { headers } = request;
    asked.push({ line, body: Buffer.concat(parts).toString(), headers });
    const reply = (text: string, status = 200): void => void answer.writeHead(status).end(text);
    if (line === "PUT /latest/api/token")
      return reply("imds-token", headers["x-aws-ec2-metadata-token-ttl-seconds"] === undefined ? 400 : 200);
    if (line.startsWith("GET /latest/") && headers["x-aws-ec2-metadata-token"] !== "imds-token") return reply("", 401);
    if (line === "GET /latest/meta-data/iam/security-credentials/") return reply("node-role\n");
    if (line === "GET /latest/meta-data/iam/security-credentials/node-role") return reply(ROLE);
    if (line === "GET /container")
      return reply(ROLE.replace("metadata", "container"), headers.authorization ? 200 : 403);
    if (line === "POST /sts") return reply(STS);
    if (line === "POST /tenant/oauth2/v2.0/token") return reply(ENTRA);
    if (line.startsWith("GET /metadata/identity/")) return reply(IMDS, headers.metadata === "true" ? 200 : 400);
    return reply("", 404);
  });
});
let base: string;
beforeAll(async () => {
  await once(server.listen(0, "127.0.0.1"), "listening");
  base = `http://127.0.0.1:${(server.address() as { port: number }).port}`;
  writeFileSync(join(cwd, "token"), "the projected token\n");
  writeFileSync(
    join(cwd, "credentials"),
    "[default]\naws_access_key_id = AKIA-default\naws_secret_access_key = secret\n" +
      "[night]\naws_access_key_id = AKIA-night\naws_secret_access_key = secret\n",
  );
});
afterAll(() => {
  server.close().closeAllConnections();
  rmSync(cwd, { recursive: true, force: true });
});
beforeEach(() => {
  asked.length = 0;
});

const s3 = async (env: Record<string, string>) =>
  (await createS3Credentials({ HOME: cwd, AWS_EC2_METADATA_DISABLED: "true", ...env }, () => NOW)()).accessKeyId;

test("AWS: the environment, then a web identity, then the shared files, then a container's endpoint, then the machine", async () => {
  const environment = { AWS_ACCESS_KEY_ID: "AKIA-environment", AWS_SECRET_ACCESS_KEY: "secret" };
  const web = {
    AWS_WEB_IDENTITY_TOKEN_FILE: join(cwd, "token"),
    AWS_ROLE_ARN: "arn:aws:iam::1:role/backup",
    AWS_ENDPOINT_URL_STS: `${base}/sts`,
  };
  const files = { AWS_SHARED_CREDENTIALS_FILE: join(cwd, "credentials"), AWS_PROFILE: "night" };
  const container = {
    AWS_CONTAINER_CREDENTIALS_FULL_URI: `${base}/container`,
    AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE: join(cwd, "token"),
  };
  const machine = { AWS_EC2_METADATA_DISABLED: "", AWS_EC2_METADATA_SERVICE_ENDPOINT: base };
  expect(await s3({ ...machine })).toBe("ASIA-metadata");
  expect(await s3({ ...machine, ...container })).toBe("ASIA-container");
  expect(await s3({ ...machine, ...container, ...files })).toBe("AKIA-night");
  expect(await s3({ ...machine, ...container, ...files, ...web })).toBe("ASIA-web");
  expect(await s3({ ...machine, ...container, ...files, ...web, ...environment })).toBe("AKIA-environment");
  const { body = "" } = asked.find(({ line }) => line === "POST /sts") ?? {};
  expect(Object.fromEntries(new URLSearchParams(body))).toMatchObject({
    Action: "AssumeRoleWithWebIdentity",
    RoleArn: "arn:aws:iam::1:role/backup",
    WebIdentityToken: "the projected token",
  });
  await expect(s3({})).rejects.toMatchObject({ code: "store-refused" });
});

test("AWS: credentials that expire are asked for again before they do", async () => {
  let now = NOW;
  const credentials = createS3Credentials({ HOME: cwd, AWS_EC2_METADATA_SERVICE_ENDPOINT: base }, () => now);
  await credentials();
  await credentials();
  expect(asked.filter(({ line }) => line.startsWith("PUT"))).toHaveLength(1);
  now = Date.parse(EXPIRES) - 60_000;
  await credentials();
  expect(asked.filter(({ line }) => line.startsWith("PUT"))).toHaveLength(2);
});

async function azure(env: Record<string, string>): Promise<string> {
  const account = findAzureAccount(env, { account: "backups", endpoint: undefined }, () => NOW);
  const found = await account.authorization();
  return `${found.kind} ${(found.kind === "key" ? found.key : found.token).expose()}`;
}

test("Azure: a key, then a SAS token, then a service principal, then a workload identity, then the machine", async () => {
  const machine = { AZURE_POD_IDENTITY_AUTHORITY_HOST: base };
  const client = { AZURE_TENANT_ID: "tenant", AZURE_CLIENT_ID: "client", AZURE_AUTHORITY_HOST: `${base}/` };
  const workload = { ...client, AZURE_FEDERATED_TOKEN_FILE: join(cwd, "token") };
  const principal = { ...client, AZURE_CLIENT_SECRET: "client-secret" };
  expect(await azure(machine)).toBe("bearer machine-token");
  expect(await azure({ ...machine, AZURE_CLIENT_ID: "client" })).toBe("bearer machine-token");
  expect(asked.at(-1)?.line).toContain("client_id=client");
  expect(await azure({ ...machine, ...workload })).toBe("bearer entra-token");
  expect(Object.fromEntries(new URLSearchParams(asked.at(-1)?.body))).toMatchObject({
    grant_type: "client_credentials",
    client_id: "client",
    client_assertion: "the projected token",
    scope: "https://storage.azure.com/.default",
  });
  expect(await azure({ ...machine, ...workload, ...principal })).toBe("bearer entra-token");
  expect(new URLSearchParams(asked.at(-1)?.body).get("client_secret")).toBe("client-secret");
  expect(await azure({ ...principal, AZURE_STORAGE_SAS_TOKEN: "?sv=1&sig=x" })).toBe("sas sv=1&sig=x");
  expect(await azure({ AZURE_STORAGE_SAS_TOKEN: "sv=1", AZURE_STORAGE_KEY: "a2V5" })).toBe("key a2V5");
  await expect(azure({ AZURE_POD_IDENTITY_AUTHORITY_HOST: `${base}/none` })).rejects.toMatchObject({
    code: "store-refused",
  });
});

test("Azure: a token that expires is asked for again before it does", async () => {
  let now = NOW;
  const env = { AZURE_POD_IDENTITY_AUTHORITY_HOST: base };
  const account = findAzureAccount(env, { account: "backups", endpoint: undefined }, () => now);
  await account.authorization();
  await account.authorization();
  expect(asked).toHaveLength(1);
  now = Date.parse(EXPIRES) - 60_000;
  await account.authorization();
  expect(asked).toHaveLength(2);
});

test.each([
  ["UseDevelopmentStorage=true", "devstoreaccount1", "http://127.0.0.1:10000/devstoreaccount1"],
  [
    "AccountName=own;AccountKey=a2V5==;EndpointSuffix=core.chinacloudapi.cn",
    "own",
    "https://own.blob.core.chinacloudapi.cn",
  ],
  [
    "BlobEndpoint=https://own.blob.core.windows.net/;SharedAccessSignature=sv=1&sig=x=",
    "own",
    "https://own.blob.core.windows.net",
  ],
])("Azure: %s", (text, name, endpoint) => {
  const env = { AZURE_STORAGE_CONNECTION_STRING: text };
  const account = findAzureAccount(env, { account: undefined, endpoint: undefined }, () => NOW);
  expect(account).toMatchObject({ name, endpoint });
});
