/** `kubemend certificate list`: what `kubeadm certs check-expiration` shows, and what is wrong. */
import type { CertificateList, CertificateState } from "../../operations/certificate/list-certificates.ts";
import { EXIT } from "../command.ts";
import { jsonLine } from "../json-outputs.ts";
import { PLACE_FLAGS } from "../options/certificate-flags.ts";
import { defineCommand } from "../options/define-command.ts";
import { outputFlag } from "../options/output-flags.ts";
import { tableText } from "../terminal/table.ts";

export const certificateList = defineCommand({
  name: "list",
  aliases: ["check-expiration"],
  text: "every certificate and kubeconfig of this node: purpose, authority, expiry",
  flags: { ...PLACE_FLAGS, output: outputFlag(["text", "json"]) },
  examples: [
    "sudo kubemend certificate list",
    "sudo kubemend certificate list -o json | jq -r '.certificates[] | select(.state != \"valid\") | .file'",
  ],
  notes: `Every certificate and kubeconfig of this node, as kubeadm lays them out. Exit code 1 where one has expired, is missing,
or does not match its key or its authority; 3 on a machine without Kubernetes.`,
  page: "docs/certificates.md",
  async run(_, { kubernetesDir, kubeletDir, output }, { host }) {
    const { listCertificates } = await import("../../operations/certificate/list-certificates.ts");
    const list = listCertificates({ kubernetesDir, kubeletDir }, host.now());
    await host.stdout.write(
      output === "json" ? jsonLine("certificate list", list) : listText(list, host.now(), host.stdout.columns),
    );
    if (!list.hasKubernetes) return EXIT.unknown;
    const states = [...list.certificates, ...list.authorities].map(({ state }) => state);
    return states.some((state) => state !== "valid" && state !== "expires") ? EXIT.failed : EXIT.done;
  },
});

function listText(
  { certificates, authorities, serviceAccountKey, hasKubernetes }: CertificateList,
  now: number,
  width: number | undefined,
): string {
  if (!hasKubernetes)
    return "there is no Kubernetes on this machine: no certificate, no kubeconfig, no kubelet's files\n";
  const rows = certificates.map(({ name, notAfter, authority, externallyManaged, state, purpose }) => [
    name,
    notAfter === null ? "-" : timeText(notAfter),
    notAfter === null ? "-" : leftText(notAfter, now),
    authority ?? "itself",
    externallyManaged ? "yes" : "no",
    stateText(state),
    purpose,
  ]);
  const head = [
    "CERTIFICATE",
    "EXPIRES",
    "RESIDUAL TIME",
    "CERTIFICATE AUTHORITY",
    "EXTERNALLY MANAGED",
    "STATE",
    "FOR",
  ];
  const signers = authorities.map(({ name, notAfter, hasKey, state }) => [
    name,
    notAfter === null ? "-" : timeText(notAfter),
    notAfter === null ? "-" : leftText(notAfter, now),
    hasKey ? "no" : "yes",
    stateText(state),
  ]);
  const heads = ["CERTIFICATE AUTHORITY", "EXPIRES", "RESIDUAL TIME", "EXTERNALLY MANAGED", "STATE"];
  const lost = authorities.flatMap(({ name, loss }) => (loss === null ? [] : [`${name} cannot sign here: ${loss}\n`]));
  const key =
    serviceAccountKey.state === "missing"
      ? `${serviceAccountKey.file} is missing: no token of a service account can be signed; copy it from another control-plane node\n`
      : "";
  const notes = `${lost.join("")}${key}${kubeletText(certificates)}`;
  return `${tableText([head, ...rows], { width })}\n${tableText([heads, ...signers], { width })}${notes === "" ? "" : `\n${notes}`}`;
}

/** Where the kubelet can no longer renew its certificate by itself, and no authority's key is here: what is done where there is one. */
function kubeletText(certificates: CertificateList["certificates"]): string {
  const kubelet = certificates.find(({ name }) => name === "kubelet.conf");
  if (kubelet?.state !== "expired" || !kubelet.externallyManaged) return "";
  const node = /CN=system:node:([^\s,]+)/.exec(kubelet.subject ?? "")?.[1] ?? "NAME";
  return [
    "the kubelet's certificate is over, so that the kubelet cannot renew it. On a control-plane node:",
    `  sudo kubemend certificate issue kubelet.conf --node-name=${node} --to=/root/${node}`,
    "makes another, and prints every step from there to here",
    "",
  ].join("\n");
}

function stateText(state: CertificateState): string {
  return state === "valid" ? "valid" : state === "expires" ? "expires soon" : state.replaceAll("-", " ").toUpperCase();
}

/** Such as `Nov 29, 2027 12:34 UTC`, as kubeadm has it. */
function timeText(time: string): string {
  const date = new Date(time);
  const month = date.toLocaleString("en-US", { month: "short", timeZone: "UTC" });
  const day = String(date.getUTCDate()).padStart(2, "0");
  return `${month} ${day}, ${date.getUTCFullYear()} ${time.slice(11, 16)} UTC`;
}

/** Whole days, years and days, or hours, as kubeadm has it; negative once it is over. */
function leftText(time: string, now: number): string {
  const milliseconds = Date.parse(time) - now;
  const sign = milliseconds < 0 ? "-" : "";
  const hours = Math.floor(Math.abs(milliseconds) / 3_600_000);
  if (hours < 24) return `${sign}${hours}h`;
  const days = Math.floor(hours / 24);
  return days < 730 ? `${sign}${days}d` : `${sign}${Math.floor(days / 365)}y`;
}
