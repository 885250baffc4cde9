/** Which stored kubeconfigs a new machine can use. */
import { expect, test } from "vitest";
import { namesOtherFiles } from "./stored-files.ts";

const base64 = (text: string): string => Buffer.from(text).toString("base64");
const kubeconfig = (user: object): string => base64(JSON.stringify({ kind: "Config", users: [{ name: "u", user }] }));

test.each([
  [
    "the kubelet's, whose certificate is in its own directory",
    true,
    { "client-certificate": "/var/lib/kubelet/pki/x.pem" },
  ],
  ["one whose key alone is elsewhere", true, { "client-certificate-data": "eA==", "client-key": "/root/admin.key" }],
  ["one with a token's file", true, { tokenFile: "/var/run/token" }],
  ["one that holds all", false, { "client-certificate-data": "eA==", "client-key-data": "eA==" }],
  ["one whose files are restored with it", false, { "client-certificate": "/etc/kubernetes/pki/a.crt" }],
] as const)("%s", (_, expected, user) => {
  expect(namesOtherFiles("/etc/kubernetes/kubelet.conf", kubeconfig(user))).toBe(expected);
});

test("what is no kubeconfig is restored as it is", () => {
  const user = { "client-certificate": "/var/lib/kubelet/pki/x.pem" };
  expect(namesOtherFiles("/etc/kubernetes/encryption/x.conf", kubeconfig(user))).toBe(false);
  expect(namesOtherFiles("/etc/kubernetes/pki/ca.crt", kubeconfig(user))).toBe(false);
  for (const text of ["", "- 1", "{", "users: x", "users: [1]"]) {
    expect(namesOtherFiles("/etc/kubernetes/kubelet.conf", base64(text))).toBe(false);
  }
});
