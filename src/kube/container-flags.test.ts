import { expect, test } from "vitest";
import { addFlag, changeFlag, containerFlags, flagValue, runsThroughShell } from "./container-flags.ts";

test("flags with =, with the next word, bare, with one dash, in command and args", () => {
  const container = {
    command: ["etcd", "-name", "a", "--listen=x", "--bare", "--last"],
    args: ["--more=1,2", "plain"],
  };
  expect(containerFlags(container)).toEqual([
    { name: "name", value: "a" },
    { name: "listen", value: "x" },
    { name: "bare", value: undefined },
    { name: "last", value: undefined },
    { name: "more", value: "1,2" },
  ]);
});

test("flags inside a shell's script", () => {
  const container = { command: ["/bin/sh", "-c", 'exec kube-scheduler --kubeconfig=/a/b --v 2 --x="a b" > /log 2>&1'] };
  expect(runsThroughShell(container)).toBe(true);
  expect(flagValue(container, "kubeconfig")).toBe("/a/b");
  expect(flagValue(container, "v")).toBe("2");
  expect(flagValue(container, "x")).toBe("a b");
  expect(changeFlag(container, "kubeconfig", () => "/new").command).toEqual([
    "/bin/sh",
    "-c",
    'exec kube-scheduler --kubeconfig=/new --v 2 --x="a b" > /log 2>&1',
  ]);
  expect((changeFlag(container, "x", (old) => `${old} c`).command as string[])[2]).toContain('--x="a b c"');
});

test("a flag's value that holds spaces and dashes is no script", () => {
  const container = { command: ["kube-apiserver", "--note=a -b --kubeconfig=c"] };
  expect(runsThroughShell(container)).toBe(false);
  expect(containerFlags(container)).toEqual([{ name: "note", value: "a -b --kubeconfig=c" }]);
});

test("a flag is changed wherever it stands, and no other of a longer name", () => {
  const container = {
    command: ["kube-apiserver", "--etcd-servers=http://a", "--etcd-servers-overrides=/events#http://b"],
    args: ["--etcd-servers", "http://c"],
  };
  expect(changeFlag(container, "etcd-servers", (old) => `${old},d`)).toEqual({
    command: ["kube-apiserver", "--etcd-servers=http://a,d", "--etcd-servers-overrides=/events#http://b"],
    args: ["--etcd-servers", "http://c,d"],
  });
});

test("a flag is added behind the arguments, or the command where there are none", () => {
  expect(addFlag({ command: ["a"] }, "x", "1")).toEqual({ command: ["a", "--x=1"] });
  expect(addFlag({ command: ["a"], args: ["b"] }, "x", "1")).toEqual({ command: ["a"], args: ["b", "--x=1"] });
  expect(addFlag({}, "x", "1")).toEqual({ args: ["--x=1"] });
});
