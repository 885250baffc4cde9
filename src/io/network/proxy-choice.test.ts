import { expect, test } from "vitest";
import { chooseProxy } from "./proxy-choice.ts";

const SERVER = "https://api.example.com:6443";

test.each([
  [SERVER, {}, undefined],
  [SERVER, { HTTPS_PROXY: "http://p:3128" }, "http://p:3128/"],
  [SERVER, { https_proxy: "p:3128" }, "http://p:3128/"],
  [SERVER, { HTTP_PROXY: "http://p:3128" }, undefined],
  ["http://api.example.com", { HTTP_PROXY: "http://p:3128" }, "http://p:3128/"],
  [SERVER, { HTTPS_PROXY: "socks5://p:1080" }, "socks5://p:1080"],
  ["https://localhost:6443", { HTTPS_PROXY: "p" }, undefined],
  ["https://127.3.0.1", { HTTPS_PROXY: "p" }, undefined],
  ["https://[::1]:6443", { HTTPS_PROXY: "p" }, undefined],
])("%s with %o", (server, variables, expected) => {
  expect(chooseProxy(new URL(server), variables)?.href).toBe(expected);
});

test.each([
  ["*", SERVER, true],
  ["example.com", SERVER, true],
  [".example.com", SERVER, true],
  ["*.example.com", SERVER, true],
  [".api.example.com", SERVER, false],
  ["ample.com", SERVER, false],
  ["API.Example.Com", SERVER, true],
  ["api.example.com:6443", SERVER, true],
  ["api.example.com:443", SERVER, false],
  ["other, api.example.com", SERVER, true],
  ["10.0.0.1", "https://10.0.0.1:6443", true],
  ["10.0.0.1:6443", "https://10.0.0.1:6443", true],
  ["10.0.0.2", "https://10.0.0.1:6443", false],
  ["10.0.0.0/8", "https://10.9.0.1:6443", true],
  ["10.0.0.0/8", "https://11.9.0.1:6443", false],
  ["10.0.0.0/99", "https://10.9.0.1:6443", false],
  ["fd00::/8", "https://[fd00::1]:6443", true],
  ["fd00::1", "https://[fd00::1]:6443", true],
  ["[fd00::1]:6443", "https://[fd00::1]:6443", true],
  ["", SERVER, false],
])("NO_PROXY=%s for %s", (exceptions, server, isDirect) => {
  const found = chooseProxy(new URL(server), { HTTPS_PROXY: "http://p:3128", NO_PROXY: exceptions });
  expect(found === undefined).toBe(isDirect);
});

test("a proxy of another kind is refused, and its password not shown", () => {
  expect(() => chooseProxy(new URL(SERVER), { HTTPS_PROXY: "ftp://u:SECRET@p" })).toThrow(/HTTPS_PROXY/);
  expect(() => chooseProxy(new URL(SERVER), { HTTPS_PROXY: "ftp://u:SECRET@p" })).not.toThrow(/SECRET/);
});
