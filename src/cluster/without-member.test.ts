import { expect, test } from "vitest";
import { withoutMember } from "./without-member.ts";

const NOTHING = {
  where: "/etc/kubernetes/manifests",
  unit: undefined,
  etcdServers: undefined,
  isSelfHosted: false,
};

test.each([
  [
    "a host of etcd",
    { unit: "etcd.service" },
    "unsupported",
    "etcd is a service here (etcd.service), and not a static pod",
    /kubemend etcd salvage, .*kubemend cluster restore; one lost host: kubemend etcd member$/,
  ],
  [
    "a control-plane node beside such hosts",
    { etcdServers: "https://10.0.0.21:2379" },
    "unsupported",
    "etcd runs on other hosts: the API server here uses https://10.0.0.21:2379",
    /kubemend etcd salvage, .*one lost control-plane node: kubeadm join there$/,
  ],
  [
    "a self-hosted control plane",
    { isSelfHosted: true, etcdServers: "https://10.3.0.15:2379" },
    "unsupported",
    "the control plane here is self-hosted: its etcd is not a static pod",
    /kubemend etcd salvage, .*then kubemend recover .* and kubemend start$/,
  ],
  ["a node whose manifest is lost", {}, "not-found", "no manifest of an etcd member is here", /^leave this node out/],
] as const)("%s: what is there instead, and what to run", (_, seen, code, message, hint) => {
  const error = withoutMember({ ...NOTHING, ...seen });
  expect([error.code, error.message, error.hint]).toEqual([code, message, expect.stringMatching(hint)]);
});
