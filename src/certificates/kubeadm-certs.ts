/**
 * What `kubeadm init --upload-certs` stores for two hours in Secret `kube-system/kubeadm-certs`: the files that all
 * control-plane nodes share. Each value is AES-GCM under the certificate key: 12 bytes of nonce, the ciphertext, 16
 * bytes of tag (kubernetes/cmd/kubeadm/app/phases/copycerts, app/util/crypto).
 */
import { createDecipheriv } from "node:crypto";
import { MendError } from "../errors/errors.ts";

/** The files of a control plane that are the same on each of its nodes, below `/etc/kubernetes/pki`. */
export const SHARED_FILES: readonly string[] = [
  ...["ca.crt", "ca.key", "sa.pub", "sa.key", "front-proxy-ca.crt", "front-proxy-ca.key"],
  ...["etcd/ca.crt", "etcd/ca.key"],
];

const NONCE_BYTES = 12;
const TAG_BYTES = 16;

/**
 * By path below `/etc/kubernetes/pki`. `data` holds the secret's values, `key` is kubeadm's certificate key: 64 hex
 * digits. Throws `usage` for what is no such key, and `certificate-invalid` where it opens a value of the secret not.
 */
export function openKubeadmCerts(data: ReadonlyMap<string, Uint8Array>, key: string): ReadonlyMap<string, Uint8Array> {
  if (!/^[0-9a-f]{64}$/i.test(key)) {
    throw new MendError("usage", "a certificate key has 64 hex digits", {
      hint: "give what kubeadm init --upload-certs printed",
    });
  }
  const files = new Map<string, Uint8Array>();
  for (const path of SHARED_FILES) {
    const name = path.replace("/", "-");
    const value = data.get(name);
    if (value !== undefined) files.set(path, decrypt(name, value, Buffer.from(key, "hex")));
  }
  return files;
}

function decrypt(name: string, value: Uint8Array, key: Uint8Array): Uint8Array {
  try {
    const decipher = createDecipheriv("aes-256-gcm", key, value.subarray(0, NONCE_BYTES));
    decipher.setAuthTag(value.subarray(-TAG_BYTES));
    return Buffer.concat([decipher.update(value.subarray(NONCE_BYTES, -TAG_BYTES)), decipher.final()]);
  } catch (cause) {
    throw new MendError("certificate-invalid", `the certificate key does not open "${name}" of secret kubeadm-certs`, {
      where: `secret kube-system/kubeadm-certs, ${name}`,
      hint: "give the key of the last kubeadm init phase upload-certs before the backup",
      cause,
    });
  }
}
