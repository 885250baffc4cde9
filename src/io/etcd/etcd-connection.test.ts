import { createSocket } from "node:dgram";
import { Resolver } from "node:dns/promises";
import { once } from "node:events";
import { expect, test } from "vitest";
import { Secret } from "../../errors/secret.ts";
import { discoverEndpoints, mayLogIn, namedEndpoints, parseEndpoint, prepareEtcdAccess } from "./etcd-connection.ts";

test.each([
  ["127.0.0.1:2379", "http://127.0.0.1:2379"],
  ["https://etcd.example.org", "https://etcd.example.org:2379"],
  ["https://etcd.example.org:443/", "https://etcd.example.org:443"],
  ["http://[fd00::1]:2379", "http://[fd00::1]:2379"],
  ["[::1]:2379", "http://[::1]:2379"],
  [" http://a:1 ", "http://a:1"],
])("endpoint %j is %s", (text, url) => {
  expect(parseEndpoint(text, "http")).toBe(url);
});

test.each(["", "ftp://a:1", "http://", "http://a:1/path", "http://user@a:1", "http://a:99999", "a b"])(
  "endpoint %j is refused",
  (text) => {
    expect(() => parseEndpoint(text, "http")).toThrow(/endpoint/);
  },
);

const FLAGS = { timeout: 1000 };

test("what has no scheme gets https where there is TLS material; each endpoint counts once", async () => {
  const { endpoints } = await prepareEtcdAccess({ ...FLAGS, endpoints: ["a:1", "http://a:1", "b:1"] });
  expect(endpoints).toEqual(["http://a:1", "http://b:1"]);
});

const login = (named: readonly string[], trustMembers: boolean) => ({
  name: "u",
  password: new Secret("p"),
  named,
  trustMembers,
});

test("a password goes to named endpoints; to others with consent, and never in a weaker way", () => {
  expect(mayLogIn(login(["http://a:1"], false), "http://a:1")).toBe(true);
  expect(mayLogIn(login(["http://a:1"], false), "http://b:1")).toBe(false);
  expect(mayLogIn(login(["http://a:1"], true), "http://b:1")).toBe(true);
  expect(mayLogIn(login(["https://a:1"], true), "https://b:1")).toBe(true);
  expect(mayLogIn(login(["https://a:1"], true), "http://b:1")).toBe(false);
  expect(mayLogIn(login(["https://a:1"], false), "https://b:1")).toBe(false);
  // An address is the same however it is written, and another one is another.
  const long = login([parseEndpoint("[FD00:0:0:0:0:0:0:1]:1", "https")], false);
  expect(mayLogIn(long, parseEndpoint("https://[fd00::1]:1", "https"))).toBe(true);
  expect(mayLogIn(long, parseEndpoint("http://[fd00::1]:1", "https"))).toBe(false);
  expect(mayLogIn(long, parseEndpoint("https://[fd00::1]:2", "https"))).toBe(false);
  expect(mayLogIn({ ...long, trustMembers: true }, parseEndpoint("http://[fd00::2]:1", "https"))).toBe(false);
});

test("what DNS says is named by nobody: no login without TLS where TLS is meant", () => {
  const [secure, plain] = ["https://a:1", "http://b:1"];
  const named = (endpoints: readonly string[], flags: object) => namedEndpoints(endpoints, flags);
  expect(named([secure, plain], {})).toEqual([secure, plain]);
  expect(named([secure, plain], { discoverySrv: "example.org" })).toEqual([secure]);
  expect(named([plain], { discoverySrv: "example.org" })).toEqual([plain]);
  expect(named([plain], { discoverySrv: "example.org", cacert: "ca.crt" })).toEqual([]);
  for (const trusts of [false, true]) expect(mayLogIn(login([], trusts), plain)).toBe(false);
});

test("an endpoint that is refused shows no password", async () => {
  const asked = prepareEtcdAccess({ ...FLAGS, endpoints: ["https://user:SECRET@a:1"] });
  await expect(asked).rejects.toThrow(/"https:\/\/…@a:1" has more than an address/);
  const withoutUser = prepareEtcdAccess({ ...FLAGS, endpoints: ["https://:SECRET@[::1]:1"] });
  await expect(withoutUser).rejects.toThrow(/"https:\/\/…@\[::1\]:1" has more than an address/);
});

test("a user needs a password, from either flag", async () => {
  const user = async (flags: object): Promise<unknown> => {
    const login = (await prepareEtcdAccess({ ...FLAGS, endpoints: ["a:1"], ...flags })).user;
    return login && { ...login, password: login.password.expose() };
  };
  expect(await user({ user: "root:a:b" })).toMatchObject({ name: "root", password: "a:b" });
  expect(await user({ user: "root", password: "p" })).toMatchObject({ name: "root", password: "p" });
  expect(await user({})).toBeUndefined();
  await expect(user({ user: "root" })).rejects.toMatchObject({ code: "usage" });
});

test("SRV records name the endpoints: those with TLS and those without", async () => {
  const socket = createSocket("udp4");
  let known = ["_etcd-client-ssl"];
  socket.on("message", (query, from) => {
    const name = query.subarray(12, query.indexOf(0, 12) + 1);
    const isKnown = known.some((label) => name.includes(`${String.fromCharCode(label.length)}${label}\u0004_tcp`));
    const header = Buffer.from(query.subarray(0, 12));
    header.writeUInt16BE(isKnown ? 0x8180 : 0x8183, 2); // no such name
    header.writeUInt16BE(isKnown ? 1 : 0, 6);
    header.writeUInt32BE(0, 8);
    const question = query.subarray(12, 12 + name.length + 4);
    const target = Buffer.from("\u0002m1\u0007example\u0003org\u0000", "latin1");
    const answer = Buffer.alloc(18);
    answer.writeUInt16BE(0xc00c, 0); // the question's name
    answer.writeUInt16BE(33, 2);
    answer.writeUInt16BE(1, 4);
    answer.writeUInt16BE(6 + target.length, 10);
    answer.writeUInt16BE(2379, 16);
    socket.send(Buffer.concat([header, question, ...(isKnown ? [answer, target] : [])]), from.port, from.address);
  });
  socket.bind(0, "127.0.0.1");
  await once(socket, "listening");
  const resolver = new Resolver({ timeout: 1000 });
  resolver.setServers([`127.0.0.1:${socket.address().port}`]);
  const discover = (flags: object = {}): Promise<string[]> =>
    discoverEndpoints("example.org", flags, (name) => resolver.resolveSrv(name));
  try {
    expect(await discover()).toEqual(["https://m1.example.org:2379"]);
    known = ["_etcd-client"];
    expect(await discover()).toEqual(["http://m1.example.org:2379"]);
    await expect(discover({ insecureDiscovery: false })).rejects.toMatchObject({
      code: "etcd-unreachable",
      message: expect.stringContaining("all without TLS"),
    });
    known = ["_etcd-client", "_etcd-client-ssl"];
    expect(await discover()).toEqual(["https://m1.example.org:2379", "http://m1.example.org:2379"]);
    expect(await discover({ insecureDiscovery: false })).toEqual(["https://m1.example.org:2379"]);
    known = ["_etcd-client-ssl-blue"];
    expect(await discover({ discoverySrvName: "blue" })).toEqual(["https://m1.example.org:2379"]);
    await expect(discover()).rejects.toMatchObject({ code: "etcd-unreachable" });
    known = [];
    await expect(discover()).rejects.toMatchObject({
      code: "etcd-unreachable",
      message: expect.stringContaining("no SRV records"),
    });
  } finally {
    socket.close();
  }
});
