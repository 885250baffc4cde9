import { expect, test } from "vitest";
import { redact } from "./redact.ts";

const MACHINES = ["node-1", "node-10", "api.example.com"];
const shown = (text: string) => redact(text, { machines: MACHINES });

test.each([
  ["-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----\nafter", "<hidden: PEM>\nafter"],
  ["cut -----BEGIN PRIVATE KEY-----\nMIIEabc", "cut <hidden: PEM>"],
  ["token eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJrdWJl.c2lnbmF0dXJl", "token <hidden: token>"],
  ["join with abcdef.0123456789abcdef", "join with <hidden: token>"],
  ["https://root:pw@host:2379/x", "https://<hidden>@host:2379/x"],
  ["Authorization: Bearer abc.def-123", "Authorization: Bearer <hidden>"],
  ["password=hunter2, next", "password=<hidden>, next"],
  ['"token": "abc"', '"token": <hidden>'],
  ["key aGVsbG8gd29ybGQgdGhpcyBpcyBhIGxvbmcgc2VjcmV0IQ==", "key <hidden: 40 characters or more>"],
  ["AGE-SECRET-KEY-1QQQQQQ", "<hidden: key>"],
])("a secret is hidden: %s", (text, expected) => {
  expect(shown(text)).toBe(expected);
});

test.each([
  "kube-controller-manager-64685864db-sqzpg",
  "/etc/kubernetes/pki/apiserver-kubelet-client.crt",
  "registry.example.com/etcd@sha256:7031c1b283388d2c2e09b57badb803c05ebed362dc88d84b480cc47f72a21097",
  "--service-account-private-key-file=/etc/kubernetes/pki/sa.key",
  "2026-11-29T10:42:17Z",
  "127.0.0.1:2379 and ::1 and 0.0.0.0",
  "kubemend certificate renew --node node-100",
])("what is no secret stays: %s", (text) => {
  expect(shown(text)).toBe(text);
});

test("names of machines and addresses are replaced, each always by the same word", () => {
  expect(shown("node-10 (10.0.0.7) asks node-1 (10.0.0.7, fd00::7) at api.example.com:6443")).toBe(
    "machine-2 (address-1) asks machine-1 (address-1, address-2) at machine-3:6443",
  );
  expect(redact("node-1 10.0.0.7", { machines: undefined })).toBe("node-1 10.0.0.7");
});

test("fields are walked, and those of secrets are hidden whole", () => {
  const value = { a: [{ "client-key-data": "x", path: "/p" }], token: "t", empty: null, n: 1, data: { k: "v" } };
  expect(redact(value, { machines: [] })).toEqual({
    a: [{ "client-key-data": "<hidden>", path: "/p" }],
    token: "<hidden>",
    empty: null,
    n: 1,
    data: "<hidden>",
  });
});
