/**
 * The network of a bed: one bridge in a namespace of its own, and hosts on it, each in another. None of them has a link to this machine's
 * network, so that whatever a cluster dials never leaves the bed, and every bed can use the same addresses.
 */
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import type { Bed } from "./bed.ts";

/** The bridge's own address: the control plane that runs as processes answers there. */
export const BRIDGE_ADDRESS = "10.77.0.1";
export const SERVICE_CIDR = "10.96.0.0/16";
export const POD_CIDR = "10.2.0.0/16";

/** A machine on the bridge. */
export interface HostAddress {
  readonly name: string;
  /** The last number of its address, 2 to 254. */
  readonly number: number;
  /** Whether it runs pods, which have addresses of their own behind it. */
  readonly pods: boolean;
}

export function addressOf(number: number): string {
  return `10.77.0.${number}`;
}

/** The pods' network on the host of that number. */
export function podCidrOf(number: number): string {
  return `10.2.${number}.0/24`;
}

export function addBridge(bed: Bed): void {
  ip([], "netns", "add", bed.id);
  batch(bed.namespace(), [
    "link set lo up",
    "link add br0 type bridge",
    `address add ${BRIDGE_ADDRESS}/24 dev br0`,
    "link set br0 up",
  ]);
}

/** Puts a host on the bridge, among `hosts`, with a default route to it (which ends there), and routes between its pods and everybody. */
export function addHost(bed: Bed, host: HostAddress, hosts: readonly HostAddress[]): void {
  const namespace = bed.namespace(host.name);
  const others = hosts.filter((other) => other.name !== host.name && isUp(bed, other));
  ip([], "netns", "add", namespace);
  batch(bed.namespace(), [
    `link add ${host.name} type veth peer name eth0 netns ${namespace}`,
    `link set ${host.name} master br0 up`,
    ...(host.pods ? [`route replace ${podCidrOf(host.number)} via ${addressOf(host.number)}`] : []),
  ]);
  batch(namespace, [
    "link set lo up",
    `address add ${addressOf(host.number)}/24 dev eth0`,
    "link set eth0 up",
    `route add default via ${BRIDGE_ADDRESS}`,
    ...others
      .filter(({ pods }) => pods)
      .map((other) => `route add ${podCidrOf(other.number)} via ${addressOf(other.number)}`),
  ]);
  if (!host.pods) return;
  for (const setting of ["net.ipv4.ip_forward=1", "net.ipv4.conf.all.rp_filter=0"]) {
    command("nsenter", [`--net=/run/netns/${namespace}`, "sysctl", "-qw", setting]);
  }
  for (const other of others) {
    batch(bed.namespace(other.name), [`route replace ${podCidrOf(host.number)} via ${addressOf(host.number)}`]);
  }
}

export function removeHost(bed: Bed, host: HostAddress): void {
  ip(["-n", bed.namespace()], "link", "delete", host.name); // a namespace goes some time after its last process, and its cable with it
  ip([], "netns", "delete", bed.namespace(host.name));
}

/** Whether a host's namespace is there: a node that was killed has none. */
function isUp(bed: Bed, host: HostAddress): boolean {
  return existsSync(`/run/netns/${bed.namespace(host.name)}`);
}

/** Pulls a host's cable, or plugs it in again. */
export function setCable(bed: Bed, host: HostAddress, plugged: boolean): void {
  ip(["-n", bed.namespace()], "link", "set", host.name, plugged ? "up" : "down");
}

function batch(namespace: string, lines: readonly string[]): void {
  command("ip", ["-n", namespace, "-batch", "-"], `${lines.join("\n")}\n`);
}

function ip(options: readonly string[], ...words: string[]): void {
  command("ip", [...options, ...words]);
}

function command(file: string, args: readonly string[], input = ""): void {
  const { status, stderr, error } = spawnSync(file, args, { input, encoding: "utf8" });
  if (error) throw error;
  if (status !== 0)
    throw new Error(`"${file} ${args.join(" ")}" ended with ${status}: ${stderr.trim()}${input && `\n${input}`}`);
}
