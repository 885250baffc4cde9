import { expect, test } from "vitest";
import { mirrorPod } from "../../test/cluster-objects.ts";
import type { JsonObject } from "../kube/object.ts";
import { hostFilesOf } from "./host-files.ts";

const pod = (spec: JsonObject) => ({ name: "p", component: undefined, mirrorPod: mirrorPod("p", "m1", { spec }) });
const files = (container: JsonObject, volumes: readonly JsonObject[]) =>
  hostFilesOf([pod({ containers: [{ name: "c", ...container }], volumes })]).map(
    (file) => `${file.role} ${file.kind} ${file.path}`,
  );

test("paths on the command line, by the innermost mount and its subPath", () => {
  const volumes = [
    { name: "a", hostPath: { path: "/host/a/", type: "DirectoryOrCreate" } },
    { name: "b", hostPath: { path: "/host/b", type: "Directory" } },
    { name: "c", emptyDir: {} },
  ];
  const volumeMounts = [
    { name: "a", mountPath: "/x" },
    { name: "b", mountPath: "/x/deep", subPath: "sub" },
    { name: "c", mountPath: "/x/empty" },
  ];
  const args = [
    "--one=/x/one.crt",
    "--two",
    "/x/deep/two.key",
    "--in-empty=/x/empty/f",
    "--in-image=/usr/f",
    "--list=/x/1,/x/2",
    "--socket=unix:///x/s.sock",
  ];
  expect(files({ args, volumeMounts }, volumes)).toEqual([
    "input file /host/a/1",
    "input file /host/a/2",
    "input file /host/a/one.crt",
    "input file /host/a/s.sock",
    "input directory /host/b",
    "input file /host/b/sub/two.key",
  ]);
});

test("data directories, sockets, and directories that the kubelet makes", () => {
  const volumes = [
    { name: "d", hostPath: { path: "/var/lib/etcd-x", type: "DirectoryOrCreate" } },
    { name: "s", hostPath: { path: "/run/x.sock", type: "Socket" } },
    { name: "m", hostPath: { path: "/usr/share/ca-certificates", type: "DirectoryOrCreate" } },
    { name: "any", hostPath: { path: "/etc/ssl/certs" } },
  ];
  const volumeMounts = volumes.map(({ name }) => ({ name, mountPath: `/in/${name}` }));
  expect(files({ command: ["etcd", "--data-dir=/in/d"], volumeMounts }, volumes)).toEqual([
    "input any /etc/ssl/certs",
    "input socket /run/x.sock",
    "made directory /usr/share/ca-certificates",
    "data directory /var/lib/etcd-x",
  ]);
});
