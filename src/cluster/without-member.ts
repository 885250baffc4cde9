/** Why no member of etcd is a static pod of a node, and which commands do there what a salvage or a replacement would do. */
import { MendError } from "../errors/errors.ts";
import { input } from "../errors/input.ts";

export interface WithoutMember {
  /** Where static pods are. */
  readonly where: string;
  /** The unit of systemd's that runs etcd here. */
  readonly unit: string | undefined;
  /** `--etcd-servers` of the API server that is a static pod here. */
  readonly etcdServers: string | undefined;
  /** Whether a node agent keeps copies of a self-hosted control plane here. */
  readonly isSelfHosted: boolean;
}

export function withoutMember({ where, unit, etcdServers, isSelfHosted }: WithoutMember): MendError {
  const ofHosts =
    "join the hosts' data with kubemend etcd salvage, or restore a backup on all of them with kubemend cluster restore; " +
    "one lost host: kubemend etcd member";
  if (unit !== undefined) {
    return new MendError("unsupported", `etcd is a service here (${unit}), and not a static pod`, {
      where,
      hint: ofHosts,
    });
  }
  if (isSelfHosted) {
    return new MendError("unsupported", "the control plane here is self-hosted: its etcd is not a static pod", {
      where,
      hint:
        "join etcd's data with kubemend etcd salvage, or restore a backup with kubemend snapshot restore; then kubemend " +
        `recover ${input("etcdServers")} URL and kubemend start`,
    });
  }
  if (etcdServers !== undefined) {
    return new MendError("unsupported", `etcd runs on other hosts: the API server here uses ${etcdServers}`, {
      where,
      hint: `${ofHosts}; one lost control-plane node: kubeadm join there`,
    });
  }
  return new MendError("not-found", "no manifest of an etcd member is here", {
    where,
    hint: "leave this node out, or bring its etcd.yaml back first",
  });
}
