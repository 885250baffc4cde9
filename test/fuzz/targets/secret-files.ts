/**
 * Readers of files that hold secrets, with slips of an editor in them: kubeconfigs, encryption configs, identities,
 * signing keys, credentials.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readProtectionKey } from "../../../src/checkpoint/protected-copy.ts";
import { errorText } from "../../../src/cli/error-text.ts";
import { MendError } from "../../../src/errors/errors.ts";
import { filesBeside, readKubeconfig } from "../../../src/io/api-server/kubeconfig.ts";
import { isSelfContained } from "../../../src/io/api-server/self-contained-kubeconfig.ts";
import { parseEndpoint } from "../../../src/io/etcd/etcd-connection.ts";
import { parsePlainYaml } from "../../../src/io/files/plain-yaml.ts";
import { readIdentity } from "../../../src/io/repository/identity.ts";
import { openStore } from "../../../src/io/stores/open-store.ts";
import { readYamlDocuments, YamlFault } from "../../../src/kube/read-yaml.ts";
import { readAgentConfig } from "../../../src/operations/backup/agent/agent-config.ts";
import { generateSigningKey, parseSigningKey } from "../../../src/repository/signing.ts";
import { parseEncryptionConfig } from "../../../src/storage/encryption-config.ts";
import { parseInitialCluster, parsePeerUrls } from "../../../src/wal/peer-urls.ts";
import { bytesOf, type FuzzTarget, textOf } from "../target.ts";

export const SECRETS = {
  token: "TokenOfTheAdmin0123",
  password: "PasswordOfTheAdmin45",
  key: "S2V5T2ZUaGVBZG1pbjY3ODlhYmM",
  proxy: "ProxyPasswordXyz987",
  encryption: "EWNSdDv0oFjDnCrcZU2dXJZKmp1SBB7awrurkXyzAAA",
  identity: "AGE-SECRET-KEY-1QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7LQPZRY9X8GF2TVDW0S3JN5",
} as const;

const KUBECONFIG = `apiVersion: v1
kind: Config
clusters:
- name: c
  cluster:
    server: https://127.0.0.1:1
    proxy-url: http://me:${SECRETS.proxy}@127.0.0.1:1
users:
- name: token
  user:
    token: ${SECRETS.token}
- name: password
  user:
    username: admin
    password: ${SECRETS.password}
- name: key
  user:
    client-certificate-data: Y2VydA==
    client-key-data: ${SECRETS.key}
contexts:
- name: token
  context: {cluster: c, user: token}
- name: password
  context: {cluster: c, user: password}
- name: key
  context: {cluster: c, user: key}
current-context: CONTEXT
`;

const ENCRYPTION = `apiVersion: apiserver.config.k8s.io/v1
kind: EncryptionConfiguration
resources:
- resources: [secrets]
  providers:
  - aescbc:
      keys:
      - name: key1
        secret: ${SECRETS.encryption}=
  - secretbox:
      keys: [{name: key2, secret: ${SECRETS.encryption}=}]
  - identity: {}
`;

const AGENT = `repository: s3://admin:${SECRETS.password}@bucket/prefix
signingKeyFile: /etc/kubemend/signing-key.pem
etcd:
  endpoints: ["https://root:${SECRETS.proxy}@127.0.0.1:2379"]
  user: root
  passwordFile: /nowhere
interval: 10m
`;

let directory: string | undefined;

/** Written where a path is needed. */
function placed(bytes: Uint8Array): string {
  directory ??= mkdtempSync(join(tmpdir(), "kubemend-fuzz-"));
  const path = join(directory, "file");
  writeFileSync(path, bytes);
  return path;
}

const PEM = generateSigningKey();
const secrets = Object.values(SECRETS);
const YAML_WORDS = [
  "server: ",
  "user:",
  "- ",
  "token: ",
  "  ",
  ": ",
  '"',
  "'",
  "|",
  ">",
  "&a ",
  "*a",
  "[",
  "{",
  "null",
  "!!binary ",
  "<<: ",
];

export const SECRET_FILE_TARGETS: readonly FuzzTarget[] = [
  {
    name: "kubeconfig",
    kind: "text",
    share: 500,
    secrets,
    words: YAML_WORDS,
    corpus: () =>
      ["token", "password", "key"].flatMap((context) => {
        const text = KUBECONFIG.replace("CONTEXT", context);
        const json = JSON.stringify(readYamlDocuments(text)[0]);
        return [bytesOf(text), bytesOf(json)];
      }),
    run: (bytes) => void readKubeconfig(placed(bytes)),
    close() {
      if (directory !== undefined) rmSync(directory, { recursive: true, force: true });
      directory = undefined;
    },
  },
  {
    name: "kubeconfig that is copied into assets",
    kind: "text",
    share: 300,
    secrets,
    words: YAML_WORDS,
    corpus: () => ["token", "key"].map((context) => bytesOf(KUBECONFIG.replace("CONTEXT", context))),
    run: (bytes) => [isSelfContained(textOf(bytes)), filesBeside(textOf(bytes))],
  },
  {
    name: "encryption config",
    kind: "text",
    secrets,
    share: 500,
    words: [...YAML_WORDS, "aesgcm:", "kms:", "identity: {}", "resources: [*.*]", "keys:"],
    corpus: () => [bytesOf(ENCRYPTION), bytesOf(JSON.stringify(readYamlDocuments(ENCRYPTION)[0]))],
    run: (bytes) => void parseEncryptionConfig(textOf(bytes), "encryption.yaml"),
  },
  {
    name: "configuration of the backup agent",
    kind: "text",
    secrets,
    share: 200,
    words: YAML_WORDS,
    corpus: () => [bytesOf(AGENT)],
    run: (bytes) => void readAgentConfig(placed(bytes), "node"),
  },
  {
    name: "identity of a repository",
    kind: "text",
    secrets,
    share: 500,
    corpus: () => [bytesOf(`# signer: ed25519:${"A".repeat(43)}=\n# public key: age1abc\n${SECRETS.identity}\n`)],
    run: (bytes) => void readIdentity(placed(bytes)),
  },
  {
    name: "signing key",
    kind: "text",
    share: 300,
    secrets: [PEM.split("\n")[1]!.slice(8, 40)],
    corpus: () => [bytesOf(PEM)],
    run: (bytes) => void parseSigningKey(textOf(bytes), "signing-key.pem"),
  },
  {
    name: "key of protected manifests",
    kind: "text",
    secrets: [SECRETS.encryption],
    corpus: () => [bytesOf(`${SECRETS.encryption}=\n`)],
    run: (bytes) => void readProtectionKey(textOf(bytes), "key"),
  },
  {
    name: "addresses with a login",
    kind: "text",
    secrets: [SECRETS.password],
    words: ["://", "@", ":", "/", "[", "]", "%", "?", "#", "https", "s3", "sftp", "azblob", " "],
    corpus: () =>
      ["https://", "http://", "", "s3://", "file://", "azblob://", "sftp://", "s3:/"].map((scheme) =>
        bytesOf(`${scheme}root:${SECRETS.password}@10.0.0.1:2379`),
      ),
    run: async (bytes) => {
      const text = textOf(bytes);
      // Without an @ behind it, nothing says that it is a login.
      if (text.lastIndexOf("@") < text.lastIndexOf(SECRETS.password)) return "";
      const readers = [
        () => parseEndpoint(text, "https"),
        () => parsePeerUrls([text], "--flag"),
        () => parseInitialCluster(`a=${text}`),
        () => openStore(text, { env: {}, cwd: "/nowhere" }),
      ];
      return (await Promise.all(readers.map(messageOf))).join("\n");
    },
  },
  {
    name: "YAML",
    kind: "text",
    share: 300,
    secrets,
    words: YAML_WORDS,
    faults: [YamlFault],
    corpus: () =>
      [
        KUBECONFIG,
        ENCRYPTION,
        "a: &x {b: [1, 'two', \"three\"]}\nc: *x\nd: |\n  text\n? e\n: f\ng: !!str 5\n---\nb: 1\n",
      ].map(bytesOf),
    run: (bytes) => void readYamlDocuments(textOf(bytes)),
  },
  {
    // Whatever the small reader of the agent reads, it reads as the library does.
    name: "plain YAML of the agent",
    kind: "text",
    share: 300,
    faults: [YamlFault],
    words: YAML_WORDS,
    corpus: () => [KUBECONFIG.replaceAll("{cluster: c, user: token}", "")].map(bytesOf),
    run: (bytes) => {
      const plain = parsePlainYaml(textOf(bytes));
      if (plain === undefined) return;
      const whole = readYamlDocuments(textOf(bytes)).find((value) => value !== undefined);
      if (JSON.stringify(plain) !== JSON.stringify(whole))
        throw new Error(`${JSON.stringify(plain)} is not ${JSON.stringify(whole)}`);
    },
  },
];

async function messageOf(run: () => unknown): Promise<string> {
  try {
    await run();
    return "";
  } catch (error) {
    if (!(error instanceof MendError) || error.code === "internal") throw error;
    return errorText(error);
  }
}
