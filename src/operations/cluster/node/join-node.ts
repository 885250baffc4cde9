/**
 * What replacing a control-plane node asks of a machine: what it has, the secrets of a join from kubeadm on a living
 * one, and the join itself on the new one.
 */

import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { existsSync, readdirSync } from "node:fs";
import { hostname } from "node:os";
import { promisify } from "node:util";
import { MendError } from "../../../errors/errors.ts";
import { recordChange } from "../../../io/audit/audit-trail.ts";
import { componentProcesses } from "../../../io/node/local-components.ts";
import { findKubelet } from "../../../io/node/local-node.ts";
import { isRoot } from "../../../io/node/own-identity.ts";

const run = promisify(execFile);
const KUBEADM_MS = 600_000;
/** What `kubeadm join` refuses to find. */
const IN_THE_WAY = [
  "/etc/kubernetes/manifests",
  "/etc/kubernetes/pki",
  "/var/lib/etcd/member",
  "/etc/kubernetes/kubelet.conf",
];

export interface MachineFacts {
  readonly nodeName: string;
  readonly isRoot: boolean;
  readonly hasKubeadm: boolean;
  readonly leftovers: readonly string[];
  readonly running: readonly string[];
}

export async function describeMachine(): Promise<MachineFacts> {
  return {
    nodeName: findKubelet()?.nodeName ?? hostname().toLowerCase(),
    isRoot: isRoot(),
    hasKubeadm: await run("kubeadm", ["version", "-o", "short"]).then(
      () => true,
      () => false,
    ),
    leftovers: IN_THE_WAY.filter((path) => isFilled(path)),
    running: [...new Set(componentProcesses().map(({ name }) => name))].sort(),
  };
}

/**
 * Words of `kubeadm join` without the program. The control plane's keys travel encrypted in a secret that lives for two
 * hours, and the token for one.
 */
export interface JoinWords {
  readonly words: readonly string[];
}

/** On a living node: uploads the certificates under a fresh key, and makes a token. */
export async function makeJoin(): Promise<JoinWords> {
  const key = randomBytes(32).toString("hex");
  await kubeadm([
    "init",
    "phase",
    "upload-certs",
    "--upload-certs",
    "--skip-certificate-key-print",
    `--certificate-key=${key}`,
  ]);
  const command = await kubeadm(["token", "create", "--ttl=1h", "--print-join-command"]);
  const line = command.split("\n").find((each) => each.includes("kubeadm join"));
  if (line === undefined)
    throw new MendError("unsupported", "kubeadm printed no join command", {
      hint: "see kubeadm token create --print-join-command",
    });
  const words = line.trim().split(/\s+/);
  return { words: [...words.slice(words.indexOf("join")), "--control-plane", `--certificate-key=${key}`] };
}

/** On the new machine. kubeadm adds etcd's member itself, as a learner where its version does that. */
export async function join(
  words: readonly string[],
  { name, address }: { readonly name: string; readonly address: string },
  extra: readonly string[],
): Promise<void> {
  await kubeadm([...words, `--node-name=${name}`, `--apiserver-advertise-address=${address}`, ...extra]);
}

async function kubeadm(words: readonly string[]): Promise<string> {
  try {
    const { stdout } = await run("kubeadm", words, { timeout: KUBEADM_MS, maxBuffer: 16 * 1024 * 1024 });
    // The words behind these are the token and the key.
    recordChange({ action: `kubeadm ${words[0]}`, target: "this machine" });
    return stdout;
  } catch (error) {
    const { stderr = "", stdout = "" } = error as { stderr?: string; stdout?: string };
    const output = `${stdout}\n${stderr}`
      .trim()
      .split("\n")
      .filter((line) => !/^\[?(W|I)\d|WARNING/.test(line))
      .slice(-4)
      .join(" / ");
    throw new MendError(
      "kubelet-failed",
      `kubeadm ${words
        .slice(0, 3)
        .filter((word) => !word.startsWith("--"))
        .join(" ")} fails: ${output || (error as Error).message}`,
      {
        hint: "mend that, empty the machine with kubeadm reset, then run the same command again",
      },
    );
  }
}

function isFilled(path: string): boolean {
  try {
    return readdirSync(path).length > 0;
  } catch {
    return existsSync(path);
  }
}
