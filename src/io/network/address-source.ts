/** How the address of a machine becomes one of the network: whether DNS has to answer first. */
import { readFileSync } from "node:fs";
import { isIP } from "node:net";
import type { AddressSource } from "../../diagnosis/readiness.ts";

const HOSTS_FILE = process.platform === "win32" ? "C:\\Windows\\System32\\drivers\\etc\\hosts" : "/etc/hosts";
/** Names that only DNS inside of clusters answers, as it is set up unless somebody chose another domain. */
const CLUSTER_NAME = /\.(?:svc|cluster\.local)$/;

/** `address` may have a user in front. */
export function addressSource(address: string, hostsFile: string = HOSTS_FILE): AddressSource {
  const host = address.slice(address.lastIndexOf("@") + 1).toLowerCase();
  if (isIP(host.replace(/^\[(.*)\]$/, "$1")) !== 0) return "number";
  if (host === "localhost" || hostNames(hostsFile).has(host)) return "hosts";
  return CLUSTER_NAME.test(host.replace(/\.$/, "")) ? "cluster" : "dns";
}

/** In lower case. Nothing where the file cannot be read. Source of the format: hosts(5). */
function hostNames(path: string): ReadonlySet<string> {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch {
    return new Set();
  }
  const names = text.split("\n").flatMap((line) => {
    const [address = "", ...rest] = line.replace(/#.*/, "").trim().split(/\s+/);
    return isIP(address) === 0 ? [] : rest;
  });
  return new Set(names.map((name) => name.toLowerCase()));
}
