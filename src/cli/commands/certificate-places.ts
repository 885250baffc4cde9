/** Where a node keeps its certificates: options that the certificate commands share. */
import { resolve } from "node:path";
import type { Command } from "commander";
import type { CertificatePlaces } from "../../operations/certificate/list-certificates.ts";
import type { Host } from "../host.ts";

export interface PlaceOptions {
  readonly kubernetesDir: string;
  readonly kubeletDir: string;
}

export function placeOptions(command: Command): Command {
  return command
    .option("--kubernetes-dir <dir>", "the node's files as kubeadm lays them out", "/etc/kubernetes")
    .option("--kubelet-dir <dir>", "the kubelet's own", "/var/lib/kubelet");
}

export function placesOf(host: Host, { kubernetesDir, kubeletDir }: PlaceOptions): CertificatePlaces {
  return { kubernetesDir: resolve(host.cwd, kubernetesDir), kubeletDir: resolve(host.cwd, kubeletDir) };
}
