/** What SFTP and ssh refuse. */
import { type ErrorCode, MendError } from "../../errors/errors.ts";
import type { SftpLost, SftpStatus } from "./sftp-connection.ts";
import { STATUS } from "./sftp-packets.ts";

export function sftpRefusal({ status, message }: SftpStatus, where: string): MendError {
  if (status === STATUS.noSuchFile) {
    return new MendError("not-found", `"${where}": there is no such object`, { where, hint: "check the address" });
  }
  if (status === STATUS.permissionDenied) {
    return new MendError("permission-denied", `"${where}": the user may not do this`, {
      where,
      hint: "check the owner and the mode of the directory on the server",
    });
  }
  return new MendError("store-refused", `"${where}" refuses: ${message}`, {
    where,
    hint: "check the directory on the server, its quota, and that its file system has hard links",
  });
}

/** ssh ends with 255 whatever happened, and has no other code: these are the sentences of OpenSSH, which it translates to no language. */
const MEANING: readonly {
  readonly pattern: RegExp;
  readonly code: ErrorCode;
  readonly text: string;
  readonly hint: string;
}[] = [
  {
    pattern: /REMOTE HOST IDENTIFICATION HAS CHANGED/,
    code: "store-refused",
    text: "the key of the host is not the one that is known",
    hint: "find out why: if the host was installed again, replace its line in known_hosts; otherwise somebody answers in its place",
  },
  {
    pattern: /host key is known for|Host key verification failed/i,
    code: "store-refused",
    text: "the key of the host is not known",
    hint: "connect once with ssh, compare the fingerprint that it shows with the host's own, and confirm it",
  },
  {
    pattern: /Permission denied/i,
    code: "store-refused",
    text: "the host accepts none of the keys",
    hint: "add the public key to authorized_keys of the user on the host; try it with sftp",
  },
  {
    pattern: /Could not resolve hostname/i,
    code: "store-unreachable",
    text: "the name of the host cannot be resolved",
    hint: "check the address and the name server",
  },
  {
    pattern: /subsystem request failed/i,
    code: "store-refused",
    text: "the host has no SFTP server",
    hint: 'add "Subsystem sftp internal-sftp" to the configuration of its sshd',
  },
  {
    pattern: /ENOENT/,
    code: "store-unreachable",
    text: "there is no ssh on this machine",
    hint: "install an OpenSSH client",
  },
];

/** Why there is no connection; `isFinal` where trying again soon cannot help. */
export function lostText(lost: SftpLost, where: string): { readonly isFinal: boolean; make(): MendError } {
  const known = MEANING.find(({ pattern }) => pattern.test(lost.said));
  return {
    isFinal: known !== undefined,
    make() {
      const code = known?.code ?? "store-unreachable";
      const text = known?.text ?? lost.message;
      const hint = known?.hint ?? "try it by hand with sftp";
      return new MendError(code, `"${where}" cannot be reached: ${text}`, { where, hint, cause: lost });
    },
  };
}
