/** What `recover` says of an API server that it cannot read: a real one, with real certificates that are wrong. */
import { chmodSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { connect, type Socket } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { parse, stringify } from "yaml";
import type { Kubernetes } from "../../testbed/kubernetes.ts";
import { Authority } from "../../testbed/pki.ts";
import { kubernetesOrWhyNot } from "../../testbed/requirements.ts";
import { freePorts } from "../free-ports.ts";
import { kubemend, type Outcome } from "../kubemend.ts";
import { LiveCluster } from "./live-cluster.ts";

const DAY = 86_400_000;
const BACKUP = join(import.meta.dirname, "../fixtures/selfhosted-k120/snapshot.db.gz");
const kubernetes = await kubernetesOrWhyNot();
const why = typeof kubernetes === "string" ? ` (${kubernetes})` : "";

let cluster: LiveCluster;
let admin: string;

/** Names that the API server shows certificates for which are wrong, each in its own way (by SNI). */
const EXPIRED = "expired.test";
const STRANGE = "strange.test";

beforeAll(async () => {
  if (why !== "") return;
  cluster = await LiveCluster.create();
  await cluster.startEtcd("etcd", BACKUP);
  const { authority } = cluster;
  const expired = await authority.issue("expired", {
    commonName: "kube-apiserver",
    use: "server",
    names: [EXPIRED],
    notBefore: new Date(Date.now() - 370 * DAY),
    notAfter: new Date(Date.now() - 5 * DAY),
  });
  const other = await Authority.create(join(cluster.directory, "strange"), "other-ca");
  const strange = await other.issue("strange", { commonName: "kube-apiserver", use: "server", names: [STRANGE] });
  admin = await cluster.startApiServer(kubernetes as Kubernetes, "10.3.0.0/24", [
    `--tls-sni-cert-key=${expired.certificatePath},${expired.keyPath}:${EXPIRED}`,
    `--tls-sni-cert-key=${strange.certificatePath},${strange.keyPath}:${STRANGE}`,
  ]);
});
afterAll(async () => await cluster?.[Symbol.asyncDispose]());

const recover = (kubeconfig: string, ...flags: string[]): Promise<Outcome> =>
  kubemend(cluster.directory, ["recover", "--recovery-dir=out", `--kubeconfig=${kubeconfig}`, ...flags]);

type Fields = Record<string, unknown>;

/** The administrator's kubeconfig with some fields of its cluster or user set, or (undefined) taken away. */
function changed(name: string, change: { readonly cluster?: Fields; readonly user?: Fields }): string {
  const config = parse(readFileSync(admin, "utf8"));
  Object.assign(config.clusters[0].cluster, change.cluster);
  Object.assign(config.users[0].user, change.user);
  const path = join(cluster.directory, `${name}.kubeconfig`);
  writeFileSync(path, stringify(config));
  return path;
}

const NO_CERTIFICATE = { "client-certificate-data": undefined, "client-key-data": undefined };

async function refused(kubeconfig: string, ...words: string[]): Promise<void> {
  const { code, stdout, stderr } = await recover(kubeconfig);
  expect([code, stdout]).toEqual([1, ""]);
  for (const word of words) expect(stderr).toContain(word);
  expect(stderr).not.toMatch(/undefined|PRIVATE KEY|internal/);
  expect(readdirSync(cluster.directory)).not.toContain("out");
}

describe.skipIf(why !== "")(`an API server that cannot be read${why}`, () => {
  test("its certificate has expired", () =>
    refused(
      changed("expired", { cluster: { "tls-server-name": EXPIRED } }),
      `no connection to the API server at "127.0.0.1:${cluster.apiServerPort}": its certificate expired 5 d ago`,
      'its certificate: subject "CN=kube-apiserver", issuer "CN=kubernetes-ca", valid ',
      `for ${EXPIRED}`,
      "hint: renew the server's certificate",
    ));

  test("its certificate is for other names", () =>
    refused(
      changed("name", { cluster: { "tls-server-name": "else.example" } }),
      'its certificate is not for "else.example", but for 127.0.0.1, localhost',
    ));

  test("its certificate is of another authority", () =>
    refused(
      changed("strange", { cluster: { "tls-server-name": STRANGE } }),
      'its certificate is of the authority "CN=other-ca", not of the one given ("CN=kubernetes-ca")',
      "certificate-authority in the kubeconfig",
    ));

  test("it is another cluster's: its authority has the same name and another key", async () => {
    const other = await Authority.create(join(cluster.directory, "other-cluster"), "kubernetes-ca");
    const client = await other.issue("admin", {
      commonName: "admin",
      organizations: ["system:masters"],
      use: "client",
    });
    await refused(
      cluster.writeKubeconfig("other-cluster", client, other),
      'its certificate is of an authority "CN=kubernetes-ca" whose key is another than that of the one given',
      "check that this is the right server",
    );
    const trusted = cluster.writeKubeconfig("other-client", client);
    await refused(
      trusted,
      'does not know who we are: the client certificate is of an authority "CN=kubernetes-ca" whose key is another',
      "pass the kubeconfig of this cluster",
    );
  });

  test("the client certificate has expired", async () => {
    const client = await cluster.authority.issue("late", {
      commonName: "admin",
      organizations: ["system:masters"],
      use: "client",
      notBefore: new Date(Date.now() - 370 * DAY),
      notAfter: new Date(Date.now() - 5 * DAY),
    });
    await refused(
      cluster.writeKubeconfig("late", client),
      "does not know who we are: the client certificate expired 5 d ago",
      'our certificate: subject "O=system:masters, CN=admin"',
    );
  });

  test("a token that it does not know, and no credentials at all", async () => {
    await refused(changed("token", { user: { ...NO_CERTIFICATE, token: "wrong" } }), "it does not accept the token");
    await refused(changed("nobody", { user: NO_CERTIFICATE }), "the kubeconfig has no credentials");
  });

  test("a client that may not read what is needed", async () => {
    const client = await cluster.authority.issue("guest", { commonName: "guest", use: "client" });
    await refused(
      cluster.writeKubeconfig("guest", client),
      'User "guest" cannot list resource "daemonsets" in API group "apps" at the cluster scope',
      "hint: pass the kubeconfig of an administrator",
    );
  });

  test("nothing listens, it is called without TLS, it is called with TLS and has none, it is something else", async () => {
    const [port] = await freePorts(1);
    await refused(
      changed("gone", { cluster: { server: `https://127.0.0.1:${port}` } }),
      `cannot reach the API server at "127.0.0.1:${port}": nothing listens there`,
    );
    await refused(
      changed("plain", { cluster: { server: `http://127.0.0.1:${cluster.apiServerPort}` } }),
      "it serves TLS, and was called without",
    );
    const other = createServer((_, response) => response.end('{"etcdserver":"3.4.23","etcdcluster":"3.4.0"}'));
    await new Promise<void>((resolve) => other.listen(0, "127.0.0.1", resolve));
    const { port: otherPort } = other.address() as { port: number };
    await refused(
      changed("tls", { cluster: { server: `https://127.0.0.1:${otherPort}` } }),
      "it speaks plain HTTP, and was called with TLS",
    );
    await refused(
      changed("other", { cluster: { server: `http://127.0.0.1:${otherPort}` } }),
      `what answers at "127.0.0.1:${otherPort}" is not the API server: it answers GET /version with content of no known type`,
    );
    other.close();
  });

  test("kubeconfigs that are none, or not whole", async () => {
    const path = join(cluster.directory, "broken.kubeconfig");
    writeFileSync(path, "{");
    await refused(path, `"${path}" is not YAML`);
    writeFileSync(path, "apiVersion: v1\nkind: Config\n");
    await refused(path, "has no current context");
    const { stderr } = await recover(admin, "--context=nope");
    expect(stderr).toContain('has no context "nope"');
    await refused(
      changed("provider", { user: { "auth-provider": { name: "oidc" } } }),
      'credentials by "auth-provider"',
    );
    await refused(
      changed("ftp", { cluster: { "proxy-url": "ftp://127.0.0.1:1" } }),
      "a proxy that is none of HTTP, HTTPS or SOCKS5",
    );
  });
});

describe.skipIf(why !== "")(`an API server that is reached${why}`, () => {
  test("with credentials of a program; with files beside the kubeconfig; by a server name; without a look at its certificate", async () => {
    const config = parse(readFileSync(admin, "utf8"));
    const user = config.users[0].user;
    const pem = (field: string) => Buffer.from(user[field], "base64").toString();
    const status = { clientCertificateData: pem("client-certificate-data"), clientKeyData: pem("client-key-data") };
    const apiVersion = "client.authentication.k8s.io/v1";
    const credential = JSON.stringify({ apiVersion, kind: "ExecCredential", status });
    const program = join(cluster.directory, "login");
    writeFileSync(
      program,
      `#!/bin/sh\n[ "$1 $WHO" = "get me" ] || { echo "go away" >&2; exit 3; }\nprintf %s '${credential}'\n`,
    );
    chmodSync(program, 0o700);
    const exec = { apiVersion, command: "./login", args: ["get"], env: [{ name: "WHO", value: "me" }] };
    const dry = ["--dry-run", "-o", "json"];
    const works = async (kubeconfig: string) => {
      const { code, stderr } = await recover(kubeconfig, ...dry);
      expect([code, stderr]).toEqual([0, ""]);
    };
    await works(changed("exec", { user: { ...NO_CERTIFICATE, exec } }));
    await refused(
      changed("exec-fails", { user: { ...NO_CERTIFICATE, exec: { ...exec, args: [] } } }),
      'program "./login"',
      "code 3: go away",
    );
    await refused(
      changed("exec-none", {
        user: { ...NO_CERTIFICATE, exec: { ...exec, command: "no-such-login", installHint: "install it" } },
      }),
      "there is no such program",
      "hint: install it",
    );

    const files = { "client-certificate-data": undefined, "client-key-data": undefined };
    const { directory } = cluster.authority;
    const beside = { ...files, "client-certificate": "pki/admin.crt", "client-key": join(directory, "admin.key") };
    const named = await recover(changed("files", { user: beside }), ...dry);
    expect(JSON.parse(named.stdout).findings).toMatchObject([
      { code: "kubeconfig-names-files", text: expect.stringContaining("not copied along: pki/admin.crt") },
    ]);
    await works(changed("server-name", { cluster: { "tls-server-name": "localhost" } }));
    const insecure = { "certificate-authority-data": undefined, "insecure-skip-tls-verify": true };
    await works(changed("insecure", { cluster: { ...insecure, "tls-server-name": EXPIRED } }));
  });

  test("through a proxy, and not through one that refuses", async () => {
    let asked = "";
    const sockets: Socket[] = [];
    const proxy = createServer();
    proxy.on("connect", (request, socket: Socket) => {
      asked = `${request.url} ${request.headers["proxy-authorization"]}`;
      sockets.push(socket);
      if (request.headers["proxy-authorization"] === undefined) {
        socket.end("HTTP/1.1 407 No\r\n\r\n");
        return;
      }
      const [host, port] = request.url!.split(":") as [string, string];
      const upstream = connect(Number(port), host, () => {
        socket.write("HTTP/1.1 200 OK\r\n\r\n");
        upstream.pipe(socket).pipe(upstream);
      });
      sockets.push(upstream);
    });
    await new Promise<void>((resolve) => proxy.listen(0, "127.0.0.1", resolve));
    const { port } = proxy.address() as { port: number };
    const through = changed("proxy", { cluster: { "proxy-url": `http://user:pass@127.0.0.1:${port}` } });
    const { code, stderr } = await recover(through, "--dry-run");
    expect([code, stderr]).toEqual([0, ""]);
    expect(asked).toBe(`127.0.0.1:${cluster.apiServerPort} Basic ${Buffer.from("user:pass").toString("base64")}`);
    await refused(
      changed("no-proxy", { cluster: { "proxy-url": `http://127.0.0.1:${port}` } }),
      "gives no connection: it answers with status 407",
    );
    for (const socket of sockets) socket.destroy();
    proxy.close();
  });
});
