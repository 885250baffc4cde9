import { expect, test } from "vitest";
import { etcdOf } from "./local-etcd.ts";

const flags = (values: Readonly<Record<string, string>>) =>
  Object.entries(values).map(([name, value]) => ({ name, value, negated: false }) as never);

test("as the API server reaches etcd, with the files that are there", () => {
  const server = {
    name: "kube-apiserver",
    pid: undefined,
    flags: flags({
      "etcd-servers": "https://10.0.0.1:2379,https://10.0.0.2:2379",
      "etcd-cafile": import.meta.filename,
      "etcd-keyfile": "/nowhere",
    }),
  };
  const member = { name: "etcd", pid: undefined, flags: flags({ "advertise-client-urls": "https://10.0.0.9:2379" }) };
  expect(etcdOf([member, server])).toEqual({
    endpoints: ["https://10.0.0.1:2379", "https://10.0.0.2:2379"],
    cacert: import.meta.filename,
  });
  expect(etcdOf([member])).toEqual({ endpoints: ["https://10.0.0.9:2379"] });
  expect(etcdOf([])).toBeUndefined();
  // The API server's certificate is lost, and the member's is there.
  const own = { "advertise-client-urls": "https://10.0.0.9:2379", "cert-file": import.meta.filename };
  const whole = { name: "etcd", pid: undefined, flags: flags({ ...own, "key-file": import.meta.filename }) };
  expect(etcdOf([whole, server])).toEqual({
    endpoints: ["https://10.0.0.1:2379", "https://10.0.0.2:2379"],
    cert: import.meta.filename,
    key: import.meta.filename,
  });
});
