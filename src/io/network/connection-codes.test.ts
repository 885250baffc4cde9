import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import { connect } from "node:tls";
import { describe, expect, test } from "vitest";
import { connectionCode, connectionFault, errorCode } from "./connection-codes.ts";

/** RFC 8446, 6.2: every alert that ends a connection and can be sent to a client. */
const ALERTS: Readonly<Record<number, RegExp>> = {
  10: /does not speak TLS/,
  20: /bad record mac/,
  22: /does not speak TLS/,
  40: /requires a client certificate, or other ciphers/,
  42: /does not accept our certificate/,
  43: /certificates of our kind/,
  44: /our certificate was revoked/,
  45: /our certificate has expired/,
  46: /does not accept our certificate/,
  47: /illegal parameter/,
  48: /authority of our certificate/,
  49: /let our certificate in/,
  50: /decode error/,
  51: /our key matches/,
  70: /no version of TLS/,
  71: /stronger ciphers/,
  80: /internal error/,
  86: /no version of TLS/,
  90: /user cancelled/,
  109: /missing extension/,
  110: /unsupported extension/,
  112: /does not serve that name/,
  113: /bad certificate status response/,
  115: /unknown psk identity/,
  116: /requires a client certificate/,
  120: /does not speak the protocol/,
};

/** A server that ends every handshake with this alert. */
async function withAlert<T>(alert: number, use: (port: number) => Promise<T>): Promise<T> {
  const server = createServer((socket) => {
    socket.on("error", () => {});
    socket.once("data", () => socket.write(Buffer.from([21, 3, 3, 0, 2, 2, alert])));
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  try {
    return await use((server.address() as AddressInfo).port);
  } finally {
    server.close();
  }
}

describe("every TLS alert has a sentence", () => {
  test.each(Object.entries(ALERTS))("alert %s on this Node", async (alert, expected) => {
    const error = await withAlert(Number(alert), async (port) => {
      const socket = connect({ port, host: "127.0.0.1", rejectUnauthorized: false });
      const [thrown] = await once(socket, "error");
      return thrown as Error;
    });
    expect(connectionFault(error).text).toMatch(expected);
  });

  // What the other supported versions call them, such as those of the system: none of them may be unknown.
  const others = ["/usr/bin/node", "/usr/local/bin/node", ...(process.env.KUBEMEND_NODES ?? "").split(",")];
  test.each(others.filter((path) => path !== "" && isNode(path)))("on %s", async (node) => {
    const script = `require("node:tls").connect({ port: +process.argv[1], host: "127.0.0.1", rejectUnauthorized: false })
      .on("error", ({ code }) => console.log(code))`;
    const { execFile } = await import("node:child_process");
    for (const [alert, expected] of Object.entries(ALERTS)) {
      const code = await withAlert(
        Number(alert),
        (port) =>
          new Promise<string>((resolve, reject) => {
            execFile(node, ["-e", script, String(port)], (error, stdout) =>
              error ? reject(error) : resolve(stdout.trim()),
            );
          }),
      );
      expect(connectionCode(code)?.text, code).toMatch(expected);
    }
  });
});

function isNode(path: string): boolean {
  try {
    return execFileSync(path, ["--version"]).toString().startsWith("v");
  } catch {
    return false;
  }
}

test("the same alert is known by its names in OpenSSL 3.0 and in 3.5", () => {
  for (const code of ["ERR_SSL_SSLV3_ALERT_CERTIFICATE_EXPIRED", "ERR_SSL_SSL/TLS_ALERT_CERTIFICATE_EXPIRED"])
    expect(connectionCode(code)).toEqual({
      kind: "client-certificate",
      text: "it says that our certificate has expired",
    });
  expect(connectionCode("ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED")?.kind).toBe("client-certificate");
});

test("of several addresses the first one's failure is told; a code that nobody knows is shown", () => {
  const refused = Object.assign(new Error("x"), { code: "ECONNREFUSED" });
  const several = new AggregateError([refused, Object.assign(new Error("y"), { code: "ENETUNREACH" })]);
  expect(errorCode(several)).toBe("ECONNREFUSED");
  expect(connectionFault(several).text).toBe("nothing listens there");
  expect(connectionFault(Object.assign(new Error("x"), { code: "ENEW" })).text).toBe("the connection failed with ENEW");
  expect(connectionFault(new Error("x")).text).toBe("the connection ended");
  expect(connectionCode("ENEW")).toBeUndefined();
  expect(connectionCode(undefined)).toBeUndefined();
});
