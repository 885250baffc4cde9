/** The certificate that a server shows, whoever signed it. */
import { X509Certificate } from "node:crypto";
import { isIP } from "node:net";
import { connect } from "node:tls";
import { Deadline } from "./deadline.ts";

/** Undefined where nobody shows one in time. Nothing is sent over the connection. */
export function servedCertificate(
  host: string,
  port: number,
  milliseconds: number,
  protocol = "http/1.1",
): Promise<X509Certificate | undefined> {
  const name = host.replace(/^\[(.*)\]$/, "$1");
  return new Promise((resolve) => {
    const socket = connect({
      host: name,
      port,
      rejectUnauthorized: false, // its certificate is looked at, and nothing is sent to it
      ALPNProtocols: [protocol],
      ...(isIP(name) === 0 && { servername: name }),
    });
    const end = (certificate?: X509Certificate): void => {
      deadline[Symbol.dispose]();
      socket.destroy();
      resolve(certificate);
    };
    const deadline = new Deadline(milliseconds);
    deadline.signal.addEventListener("abort", () => end(), { once: true });
    socket.on("secureConnect", () => {
      const { raw } = socket.getPeerCertificate();
      end(raw === undefined ? undefined : new X509Certificate(raw));
    });
    socket.on("error", () => end());
    socket.on("close", () => end());
  });
}
