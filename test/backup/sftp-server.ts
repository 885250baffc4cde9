/** OpenSSH's sshd with its SFTP server, for the user that runs the tests. */
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, existsSync, mkdirSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { userInfo } from "node:os";
import { join } from "node:path";
import { freePorts } from "../free-ports.ts";

const SSHD = "/usr/sbin/sshd";
const SFTP_SERVER = "/usr/lib/openssh/sftp-server";
export const hasSftp = existsSync(SSHD) && existsSync(SFTP_SERVER) && existsSync("/usr/bin/ssh");

export interface SftpServer {
  readonly port: number;
  /** `ssh` with a configuration that knows the host and has the key; `port` of another address of the same server. */
  readonly env: (port?: number) => Readonly<Record<string, string>>;
  /** What `known_hosts` has for the server, for a port. */
  knownHosts(port: number): string;
  readonly directory: string;
  stop(): Promise<void>;
}

export async function startSftp(directory: string): Promise<SftpServer> {
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const at = (name: string): string => join(directory, name);
  for (const name of ["host", "client", "stranger"]) {
    execFileSync("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-C", "test", "-f", at(name)]);
  }
  const hostKey = execFileSync("cat", [at("host.pub")], { encoding: "utf8" })
    .split(" ")
    .slice(0, 2)
    .join(" ");
  writeFileSync(at("authorized_keys"), execFileSync("cat", [at("client.pub")]));
  chmodSync(at("authorized_keys"), 0o600);
  const [port = 0] = await freePorts(1);
  if (userInfo().uid === 0) mkdirSync("/run/sshd", { recursive: true, mode: 0o755 });
  writeFileSync(
    at("sshd_config"),
    [
      `ListenAddress 127.0.0.1:${port}`,
      `HostKey ${at("host")}`,
      `AuthorizedKeysFile ${at("authorized_keys")}`,
      "StrictModes no",
      "UsePAM no",
      "PasswordAuthentication no",
      "PidFile none",
      "MaxStartups 100",
      `Subsystem sftp ${SFTP_SERVER}`,
      "",
    ].join("\n"),
  );
  const child = spawn(SSHD, ["-D", "-e", "-f", at("sshd_config")], { stdio: ["ignore", "ignore", "pipe"] });
  let said = "";
  child.stderr.on("data", (chunk: Buffer) => {
    said = (said + chunk.toString()).slice(-4000);
  });
  for (let i = 0; !(await accepts(port)); i++) {
    if (i > 600 || child.exitCode !== null) throw new Error(`sshd does not serve: ${said}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  const knownHosts = (of: number): string => `[127.0.0.1]:${of} ${hostKey}\n`;
  return {
    port,
    directory,
    knownHosts,
    env(of = port) {
      writeFileSync(at(`known-${of}`), knownHosts(of));
      writeFileSync(
        at(`config-${of}`),
        [
          "Host *",
          `  IdentityFile ${at("client")}`,
          "  IdentitiesOnly yes",
          `  UserKnownHostsFile ${at(`known-${of}`)}`,
          "  GlobalKnownHostsFile none",
          "  StrictHostKeyChecking no",
          "",
        ].join("\n"),
      );
      return { PATH: process.env.PATH ?? "", KUBEMEND_SSH: `ssh -F ${at(`config-${of}`)}` };
    },
    async stop() {
      const ended = once(child, "exit");
      child.kill("SIGKILL");
      await ended;
    },
  };
}

async function accepts(port: number): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const socket = connect(port, "127.0.0.1", () => resolve(true)).on("error", () => resolve(false));
  try {
    return await promise;
  } finally {
    socket.destroy();
  }
}
