/**
 * Readers of what kubemend itself has written, and somebody may have changed since: repositories, undo files, journals,
 * checkpoints, records.
 */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseManifest } from "../../../src/bootstrap/manifest-objects.ts";
import { readCertificates } from "../../../src/certificates/faults.ts";
import { decodeGeneration } from "../../../src/checkpoint/generation.ts";
import { decodeProtectedCopy, encodeProtectedCopy } from "../../../src/checkpoint/protected-copy.ts";
import { readManifest } from "../../../src/checkpoint/protected-manifest.ts";
import { encodeRecord, RECORD_NAME, readAssetDir } from "../../../src/io/files/asset-record.ts";
import { decodeRecord as decodeCleanRecord } from "../../../src/nodes/clean-record.ts";
import { decodeUndoFile, encodeHeader, encodeIntent, encodeOutcome } from "../../../src/objects/undo-record.ts";
import { readJournal } from "../../../src/operations/cluster/node/journal.ts";
import { BUNDLE_LINE_BYTES, decodeBundleHeads, decodeBundleLine } from "../../../src/repository/bundle.ts";
import { encodeDelta, walkDelta } from "../../../src/repository/delta.ts";
import { decodeDescription, encodeDescription } from "../../../src/repository/description.ts";
import { decodeHead, encodeHead, type Head } from "../../../src/repository/head.ts";
import { decodeNodeFiles, encodeNodeFiles } from "../../../src/repository/node-files.ts";
import { decodePruneRecord, encodePruneRecord } from "../../../src/repository/pruned.ts";
import { generateSigningKey, parseSigningKey } from "../../../src/repository/signing.ts";
import { FIXTURES, sampleValues } from "../sample-values.ts";
import { bytesOf, type FuzzTarget, textOf } from "../target.ts";

const signing = parseSigningKey(generateSigningKey(), "key");
const REPOSITORY = "0".repeat(32);
const TIME = "2026-11-29T10:42:17.000Z";

const HEAD: Head = {
  kind: "delta",
  repository: REPOSITORY,
  sequence: 2,
  previous: "0".repeat(64),
  writer: "a",
  written: TIME,
  content: { size: 1, sha256: "0".repeat(64), plainSize: 1, compression: "zstd", encryption: "none", object: null },
  cluster: "1",
  member: "1",
  etcdVersion: "3.5",
  compactRevision: 0,
  hashes: [],
  lastChanges: null,
  history: 1,
  revisions: { from: 2, to: 3 },
  times: { from: TIME, to: TIME },
  events: 2,
  deletions: 0,
  leases: 0,
  exact: true,
};

const UNDO = [
  encodeHeader({
    cluster: "c",
    server: "https://10.0.0.1:6443",
    started: TIME,
    serverTime: TIME,
    request: {
      file: "a.db",
      atRevision: null,
      selection: ["configmaps/a"],
      namespace: "default",
      selector: "",
      changed: false,
      withDependents: false,
      intoNamespace: null,
      renamed: {},
      encryptionConfig: null,
      etcdPrefix: null,
      history: null,
      identity: null,
    },
  }),
  encodeIntent({
    write: 1,
    wave: 0,
    op: "create",
    id: { path: "/api/v1/configmaps", namespace: "default", name: "a" },
    apiVersion: "v1",
    before: null,
  }),
  encodeOutcome({ write: 1, uid: "u" }),
]
  .map((line) => `${line}\n`)
  .join("");

const POD = {
  apiVersion: "v1",
  kind: "Pod",
  metadata: { name: "a", namespace: "b", annotations: { x: "y" } },
  spec: { containers: [{ name: "c", image: "i" }], volumes: [{ hostPath: { path: "/etc" } }] },
};
const COPY = {
  taken: TIME,
  manifest: {
    path: "/etc/kubernetes/manifests/a.yaml",
    bytes: bytesOf(JSON.stringify(POD)),
    mode: 0o600,
    uid: 0,
    gid: 0,
  },
  files: [],
};
const PROTECTION_KEY = new Uint8Array(32).fill(7);

let directory: string | undefined;
const scratch = (): string => (directory ??= mkdtempSync(join(tmpdir(), "kubemend-fuzz-own-")));

export const OWN_FORMAT_TARGETS: readonly FuzzTarget[] = [
  {
    name: "head of a link",
    kind: "text",
    corpus: () => [encodeHead(HEAD, signing).bytes],
    run: (bytes) => decodeHead(bytes, "link"),
  },
  {
    name: "bundle of links",
    kind: "text",
    corpus: () => {
      const head = encodeHead({ ...HEAD, sequence: 1 }, signing).bytes;
      const line = bytesOf(`kubemend bundle 1 ${JSON.stringify({ from: 1, to: 1, headBytes: head.length })}\n`);
      return [new Uint8Array(Buffer.concat([line, head, bytesOf("x")]))];
    },
    run: (bytes) => {
      const line = decodeBundleLine(bytes.subarray(0, BUNDLE_LINE_BYTES), { from: 1, to: 1 }, "bundle");
      decodeBundleHeads(line, bytes.subarray(line.headsAt), "bundle");
    },
  },
  {
    name: "delta",
    kind: "bytes",
    corpus: () => [
      encodeDelta({
        changes: sampleValues()
          .slice(0, 4)
          .map(({ leaf }, i) => ({ revision: i + 2, sub: 0, deletion: false, keyValue: leaf })),
        marks: [{ revision: 3, time: 1_795_000_000_000, late: false }],
        leases: [{ id: 5n, ttl: 60 }],
      }),
    ],
    run: (bytes) => walkDelta(bytes, "link", () => {}),
  },
  {
    name: "description of a repository",
    kind: "text",
    corpus: () => [
      encodeDescription(
        { id: REPOSITORY, created: TIME, signer: signing.publicKey, recipients: ["age1abc"], exclusive: true },
        signing,
      ),
    ],
    run: (bytes) => decodeDescription(bytes, "repository.json"),
  },
  {
    name: "files of a node",
    kind: "text",
    corpus: () => [
      encodeNodeFiles({
        node: "a",
        files: [{ path: "/etc/a", type: "file", mode: 0o600, uid: 0, gid: 0, content: "YQ==" }],
      }),
    ],
    run: (bytes) => decodeNodeFiles(bytes, "link"),
  },
  {
    name: "record of a prune",
    kind: "text",
    corpus: () => [
      encodePruneRecord(
        { repository: REPOSITORY, time: TIME, ranges: [{ from: 1, to: 2, lastHash: "0".repeat(64) }] },
        signing,
      ),
    ],
    run: (bytes) => decodePruneRecord(bytes, REPOSITORY, [{ key: signing.publicKey, from: 1 }], "pruned"),
  },
  {
    name: "undo file",
    kind: "text",
    corpus: () => [bytesOf(UNDO)],
    run: (bytes) => decodeUndoFile(textOf(bytes), "undo"),
  },
  {
    name: "journal of a cluster operation",
    kind: "text",
    share: 200,
    corpus: () => [
      bytesOf(
        JSON.stringify({
          id: "a",
          state: "new",
          digest: "d",
          snapshot: null,
          manifests: null,
          dataDir: null,
          revision: 5,
        }),
      ),
    ],
    run: (bytes) => {
      mkdirSync(join(scratch(), "a"), { recursive: true });
      writeFileSync(join(scratch(), "a/journal.json"), bytes);
      return readJournal("a", scratch());
    },
    close() {
      if (directory !== undefined) rmSync(directory, { recursive: true, force: true });
      directory = undefined;
    },
  },
  {
    name: "record of an asset dir",
    kind: "text",
    share: 200,
    corpus: () => [encodeRecord({ command: "recover", files: { "a/b": "0".repeat(64) } })],
    run: (bytes) => {
      const place = join(scratch(), "assets");
      mkdirSync(place, { recursive: true });
      writeFileSync(join(place, RECORD_NAME), bytes);
      return readAssetDir(place);
    },
  },
  {
    name: "record of a clean",
    kind: "text",
    corpus: () => [bytesOf(JSON.stringify({ madeBy: "kubemend", format: 1, started: TIME, moved: [] }))],
    run: (bytes) => decodeCleanRecord(textOf(bytes), "record"),
  },
  {
    name: "checkpoint of a pod",
    kind: "text",
    corpus: () => [bytesOf(JSON.stringify(POD))],
    run: decodeGeneration,
  },
  {
    name: "protected manifest",
    kind: "text",
    share: 300,
    corpus: () => [bytesOf(JSON.stringify(POD)), readFileSync(join(FIXTURES, "encryption/k120-encryption.yaml"))],
    run: readManifest,
  },
  {
    name: "copy of a protected manifest",
    kind: "bytes",
    corpus: () => [encodeProtectedCopy(COPY, undefined), encodeProtectedCopy(COPY, PROTECTION_KEY)],
    run: (bytes) => [decodeProtectedCopy(bytes, PROTECTION_KEY), decodeProtectedCopy(bytes, undefined)],
  },
  {
    name: "manifests of an asset dir",
    kind: "text",
    share: 300,
    corpus: () => [
      bytesOf(JSON.stringify({ apiVersion: "v1", kind: "List", items: [POD] })),
      bytesOf("apiVersion: v1\nkind: Pod\nmetadata: {name: a}\n---\n"),
    ],
    run: (bytes) => parseManifest("file.yaml", textOf(bytes)),
  },
  {
    name: "certificates",
    kind: "text",
    share: 300,
    corpus: () => [bytesOf(CERTIFICATE)],
    run: (bytes) => readCertificates(textOf(bytes)),
  },
];

const CERTIFICATE = readFileSync(join(import.meta.dirname, "../certificate.pem"), "utf8");
