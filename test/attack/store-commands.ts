/** The commands of backups, and others that read a moment of one: `@` is where the store should be. */
import { join } from "node:path";
import type { Attacked } from "./matrix.ts";

const SNAPSHOT = join(import.meta.dirname, "../fixtures/kubeadm-k120/snapshot.db.gz");
export const S3 = {
  AWS_ACCESS_KEY_ID: "key",
  AWS_SECRET_ACCESS_KEY: "secret",
  AWS_REGION: "us-east-1",
  AWS_ENDPOINT_URL: "@",
  AWS_EC2_METADATA_DISABLED: "true",
  AWS_MAX_ATTEMPTS: "1",
};

export const AZURE = {
  AZURE_STORAGE_ACCOUNT: "account",
  AZURE_STORAGE_KEY: Buffer.from("a key").toString("base64"),
  AZURE_STORAGE_BLOB_ENDPOINT: "@",
};
/** `@` is the program in ssh's place. */
export const SFTP = { KUBEMEND_SSH: "@" };

export const AT = "s3://bucket/prefix";
/** `%` stands for the directory of the keys. */
export const STORE_COMMANDS: readonly Attacked[] = [
  {
    name: "backup init",
    argv: ["backup", "init", AT, "--signing-key=$OUT/new-signing", "--identity=$OUT/new-identity"],
  },
  { name: "backup list", argv: ["backup", "list", AT] },
  { name: "backup status", argv: ["backup", "status", AT], codes: [1, 3] },
  { name: "backup verify", argv: ["backup", "verify", AT] },
  { name: "backup prune", argv: ["backup", "prune", AT, "--signing-key=%/signing", "--keep-last=1"] },
  { name: "backup now", argv: ["backup", "now", AT, "--signing-key=%/signing", "--endpoints=http://127.0.0.1:1"] },
  { name: "backup import", argv: ["backup", "import", AT, SNAPSHOT, "--signing-key=%/signing"] },
  { name: "backup restore", argv: ["backup", "restore", AT, "--identity=%/identity", "--data-dir=$OUT/data"] },
  {
    name: "backup rotate",
    argv: ["backup", "rotate", AT, "--signing-key=%/signing", "--new-signing-key=$OUT/rotated"],
  },
  { name: "serve", argv: ["serve", `${AT}@latest`, "--identity=%/identity", "--listen=127.0.0.1:0"] },
  { name: "cluster bundle", argv: ["cluster", "bundle", `${AT}@latest`, "--identity=%/identity", "--out=$OUT/b"] },
  { name: "backup drill", argv: ["backup", "drill", AT, "--identity=%/identity"] },
  { name: "snapshot keys", argv: ["snapshot", "keys", `${AT}@latest`, "--identity=%/identity"] },
  { name: "cluster restore --plan", argv: ["cluster", "restore", `${AT}@latest`, "--plan", "--node-command=false"] },
  { name: "ready", argv: ["ready", AT], codes: [1, 3], isReport: true },
].map((each) => ({ ...each, env: S3 }));

export const SAVING_COMMANDS: readonly Attacked[] = [
  {
    name: "backup now",
    argv: ["backup", "now", "%/repository", "--signing-key=%/signing", "--endpoints=@", "--command-timeout=1s"],
  },
];

/** The same with the address of another kind of store. */
export function onStore(attacked: Attacked, address: string, env: Attacked["env"]): Attacked {
  return { ...attacked, argv: attacked.argv.map((word) => word.replace(AT, address)), ...(env && { env }) };
}
