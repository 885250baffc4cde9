/** Certificates that are served or on disk: what has expired, what expires within 30 days, what does not go with its key. */
import { commandLine } from "./command-line.ts";
import type { CertificateFact, Facts } from "./facts.ts";
import type { Area, Trouble } from "./trouble.ts";
import { someOf, spanText } from "./words.ts";

const SOON_MS = 30 * 86_400_000;
const DAYS = 365;

const OWNERS: Readonly<Record<string, { readonly area: Area; readonly without: string }>> = {
  "api-server": {
    area: "api-server",
    without: "no client that checks certificates can connect: kubectl, kubelets, controllers",
  },
  etcd: { area: "etcd", without: "the API server and the other members cannot connect to this etcd" },
  kubelet: { area: "nodes", without: "the kubelet cannot report: its node counts as lost, and its pods are evicted" },
  "kubelet-serving": {
    area: "nodes",
    without: "logs, exec and metrics of its node fail where this certificate is checked",
  },
  "kubelet-client": {
    area: "api-server",
    without: "the API server cannot ask kubelets: logs, exec and port-forward fail",
  },
  aggregation: { area: "api-server", without: "aggregated APIs refuse the API server" },
  signing: { area: "controller-manager", without: "kubelets get no new certificates" },
  kubeconfig: { area: "certificates", without: "whoever uses it is refused" },
};

export function judgeCertificates(facts: Facts): Trouble[] {
  const groups = [...Map.groupBy(facts.certificates, ({ fingerprint }) => fingerprint).values()];
  return groups.flatMap((group) => [...validity(group, facts), ...mismatch(group)]);
}

function validity(group: readonly CertificateFact[], { now }: Facts): Trouble[] {
  const [first] = group;
  const { notAfter, notBefore, subject, isAuthority } = first!;
  const left = notAfter - now;
  if (left > SOON_MS && now >= notBefore) return [];
  const name = `${isAuthority ? "authority" : "certificate"} "${subject}"`;
  const owners = [...new Set(group.map(({ owner }) => owner))];
  const owner = OWNERS[owners[0]!];
  const expired = left < 0;
  const early = now < notBefore;
  return [
    {
      area: expired || early ? (owner?.area ?? "certificates") : "certificates",
      level: expired || early ? "error" : "warning",
      code: expired ? "certificate-expired" : early ? "certificate-not-yet-valid" : "certificate-expires",
      where: first!.place,
      text: expired
        ? `${name} expired ${spanText(-left)} ago`
        : early
          ? `${name} is not valid for another ${spanText(notBefore - now)}: check this machine's clock`
          : `${name} expires in ${spanText(left)}`,
      evidence: [someOf([...new Set(group.map(({ place }) => place))], 4)],
      consequence: `${expired || early ? "" : "from then on "}${owner?.without ?? "whoever checks it refuses it"}`,
      ...(early ? { commands: [commandLine("sudo", "systemctl", "restart", "chronyd")] } : renewal(group)),
      keys: expired || early ? owners.flatMap((each) => keysOf(each, group)) : [],
    },
  ];
}

function keysOf(owner: string, group: readonly CertificateFact[]): string[] {
  const nodes = group.flatMap(({ node }) => node ?? []);
  return [`certificate-expired:${owner}`, ...nodes.map((node) => `certificate-expired:${owner}:${node}`)];
}

function mismatch(group: readonly CertificateFact[]): Trouble[] {
  const wrong = group.find(({ keyMatches }) => keyMatches === false);
  if (wrong === undefined) return [];
  const owner = OWNERS[wrong.owner];
  return [
    {
      area: owner?.area ?? "certificates",
      level: "error",
      code: "certificate-key-mismatch",
      where: wrong.place,
      text: `certificate "${wrong.subject}" does not go with its key`,
      evidence: [`${wrong.files?.certificate ?? wrong.place} and ${wrong.files?.key ?? "its key"}`],
      consequence: owner?.without ?? "whoever serves it cannot start",
      ...renewal(group),
      keys: [`certificate-key-mismatch:${wrong.owner}`],
    },
  ];
}

/** kubeadm's own command where it made the files; else OpenSSL's (3.0 or newer), with the same names and a new end, where the authority's key is at hand. */
function renewal(group: readonly CertificateFact[]): Pick<Trouble, "commands" | "advice"> {
  const kubeadm = group.find(({ kubeadmName }) => kubeadmName !== undefined)?.kubeadmName;
  const restart = "programs that do not take a new certificate up by themselves must be started anew";
  if (kubeadm !== undefined)
    return { commands: [commandLine("sudo", "kubeadm", "certs", "renew", kubeadm)], advice: restart };
  if (group[0]!.isAuthority) {
    return { commands: [], advice: "give the cluster a new authority; everything that it signed must be made anew" };
  }
  const files = group.find((each) => each.files?.authorityKey !== undefined && each.files.key !== undefined)?.files;
  if (files === undefined) {
    return group[0]!.owner === "kubelet"
      ? {
          commands: [commandLine("sudo", "systemctl", "restart", "kubelet")],
          advice:
            "with a bootstrap kubeconfig, once the expired one is moved away, the kubelet asks for a new certificate",
        }
      : { commands: [], advice: "renew it where its authority's key is" };
  }
  const { certificate, key, authority, authorityKey } = files;
  const request = commandLine(
    "x509",
    "-x509toreq",
    "-copy_extensions",
    "copyall",
    "-in",
    certificate,
    "-signkey",
    key!,
  );
  const sign = commandLine(
    ...["x509", "-req", "-copy_extensions", "copyall", "-days", String(DAYS)],
    ...["-CA", authority!, "-CAkey", authorityKey!, "-out", `${certificate}.new`],
  );
  return {
    commands: [
      `sudo openssl ${request} | sudo openssl ${sign}`,
      commandLine("sudo", "mv", `${certificate}.new`, certificate),
    ],
    advice: restart,
  };
}
