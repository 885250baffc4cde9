/** Certificates that are served or on disk: what has expired, what expires within 30 days, what does not match its private key. */
import { defined } from "../errors/defined.ts";
import { input } from "../errors/input.ts";
import { commandLine } from "./command-line.ts";
import type { CertificateFact, Facts, LocalFacts } from "./facts.ts";
import { serviceCommands } from "./service-command.ts";
import type { Area, Trouble } from "./trouble.ts";
import { countText, someOf, spanText } from "./words.ts";

const SOON_MS = 30 * 86_400_000;

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
  const states = groups.map((group) => ({ group, state: stateOf(defined(group[0]), facts.now) }));
  const together = (["expired", "expires"] as const).flatMap((state) => {
    const own = states.filter((each) => each.state === state && isRenewable(each.group)).map(({ group }) => group);
    return own.length < 2 ? [] : [renewedTogether(own, state, facts)];
  });
  const joined = new Set(together.flatMap(({ groups }) => groups));
  return [
    ...lost(facts),
    ...together.map(({ trouble }) => trouble),
    ...states.flatMap(({ group, state }) =>
      state === "valid" || joined.has(group) ? [] : [validity(group, state, facts)],
    ),
    ...groups.flatMap((group) => mismatch(group)),
  ];
}

/** Certificates, keys and kubeconfigs that are gone from this node: the authorities' keys make them again. */
function lost({ local }: Facts): Trouble[] {
  const files = local?.lostCertificates ?? [];
  if (local === undefined || files.length === 0) return [];
  return [
    {
      area: "certificates",
      level: "error",
      code: "certificate-missing",
      where: local.nodeName,
      text:
        `${countText(files.length, "certificate")} or kubeconfig${files.length === 1 ? "" : "s"} of this node ` +
        `${files.length === 1 ? "is" : "are"} missing, unreadable, or without a key`,
      evidence: [someOf(files, 12)],
      consequence: "what uses them cannot start; what runs already keeps running until it is restarted",
      commands: ["sudo kubemend certificate issue"],
      advice:
        "it makes them by the authorities whose keys are here, and says which authorities are lost and what that means",
    },
  ];
}

type Group = readonly CertificateFact[];
type State = "expired" | "early" | "expires" | "valid";

function stateOf({ notAfter, notBefore }: CertificateFact, now: number): State {
  if (notAfter < now) return "expired";
  if (now < notBefore) return "early";
  return notAfter - now > SOON_MS ? "valid" : "expires";
}

/** Whether `certificate renew all` renews it: a file of kubeadm's, whose authority's key is at hand. */
function isRenewable(group: Group): boolean {
  const isKubeadms = (path: string) => /^\/etc\/kubernetes\/|^\/var\/lib\/kubelet\/pki\//.test(path);
  return group.some(
    ({ isAuthority, files }) => !isAuthority && files?.authority !== undefined && isKubeadms(files.certificate),
  );
}

/** Whatever expires on a control-plane node expires with all that was made on the same day: one command renews it. */
function renewedTogether(
  groups: readonly Group[],
  state: "expired" | "expires",
  { now }: Facts,
): { readonly groups: readonly Group[]; readonly trouble: Trouble } {
  const sorted = groups.toSorted((a, b) => defined(a[0]).notAfter - defined(b[0]).notAfter);
  const first = defined(defined(sorted[0])[0]);
  const expired = state === "expired";
  const owners = [...new Set(sorted.flatMap((group) => group.map(({ owner }) => owner)))];
  const [owner] = [...AREA_ORDER, ...owners].filter((each) => owners.includes(each));
  const left = Math.abs(first.notAfter - now);
  const trouble: Trouble = {
    area: expired ? (OWNERS[defined(owner)]?.area ?? "certificates") : "certificates",
    level: expired ? "error" : "warning",
    code: expired ? "certificate-expired" : "certificate-expires",
    where: first.place,
    text: expired
      ? `${groups.length} certificates have expired, the first ${spanText(left)} ago`
      : `${groups.length} certificates expire within 30 days, the first in ${spanText(left)}`,
    evidence: sorted.map((group) => `"${defined(group[0]).subject}": ${defined(group[0]).place}`),
    consequence: `${expired ? "" : "from then on "}${OWNERS[defined(owner)]?.without ?? "whoever checks them refuses them"}`,
    commands: ["sudo kubemend certificate renew all"],
    advice: "it says which programs must be restarted to take them up",
    keys: expired ? sorted.flatMap((group) => owners.flatMap((each) => keysOf(each, group))) : [],
  };
  return { groups, trouble };
}

/** Whose certificate matters most to everybody, first. */
const AREA_ORDER = ["api-server", "etcd", "kubelet", "kubelet-client"];

function validity(group: Group, state: Exclude<State, "valid">, { now, local }: Facts): Trouble {
  const [first] = group;
  const { notAfter, notBefore, subject, isAuthority } = defined(first);
  const left = notAfter - now;
  const name = `${isAuthority ? "authority" : "certificate"} "${subject}"`;
  const owners = [...new Set(group.map(({ owner }) => owner))];
  const owner = OWNERS[defined(owners[0])];
  const [expired, early] = [state === "expired", state === "early"];
  return {
    area: expired || early ? (owner?.area ?? "certificates") : "certificates",
    level: expired || early ? "error" : "warning",
    code: expired ? "certificate-expired" : early ? "certificate-not-yet-valid" : "certificate-expires",
    where: defined(first).place,
    text: expired
      ? `${name} expired ${spanText(-left)} ago`
      : early
        ? `${name} is not valid for another ${spanText(notBefore - now)}: check this machine's clock`
        : `${name} expires in ${spanText(left)}`,
    evidence: [someOf([...new Set(group.map(({ place }) => place))], 4)],
    consequence: `${expired || early ? "" : "from then on "}${owner?.without ?? "whoever checks it refuses it"}`,
    ...(early ? setClock(local) : renewal(group, local)),
    keys: expired || early ? owners.flatMap((each) => keysOf(each, group)) : [],
  };
}

function setClock(local: LocalFacts | undefined): Pick<Trouble, "commands" | "advice"> {
  const commands = serviceCommands(local === undefined ? "systemd" : local.serviceManager, "restart", "chronyd");
  return {
    commands,
    ...(commands.length === 0 && { advice: "set this machine's clock, and start what keeps it right" }),
  };
}

function keysOf(owner: string, group: Group): string[] {
  const own = group.filter((each) => each.owner === owner);
  if (own.length === 0) return [];
  const nodes = own.flatMap(({ node }) => node ?? []);
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
      text: `certificate "${wrong.subject}" does not match its private key`,
      evidence: [`${wrong.place} and ${wrong.keyPlace ?? "its key"}`],
      consequence: `what uses it cannot start${owner === undefined ? "" : `: ${owner.without}`}`,
      ...forKey(wrong),
      keys: [`certificate-key-mismatch:${wrong.owner}`],
    },
  ];
}

/** The key that was there may be lost: the one that is there gets a certificate, where the authority's key is at hand. */
function forKey({ files, keyPlace }: CertificateFact): Pick<Trouble, "commands" | "advice"> {
  if (files?.authority === undefined || keyPlace === undefined) {
    return {
      commands: [],
      advice: "put the key back that was made with it, or have a certificate made for this key",
    };
  }
  const { certificate, authority } = files;
  const flags = [
    `${input("key")}=${keyPlace}`,
    `${input("caCert")}=${authority.certificate}`,
    `${input("caKey")}=${authority.key}`,
  ];
  return {
    commands: [`sudo ${commandLine("kubemend", "certificate", "renew", certificate, ...flags)}`],
    advice: "or put the key back that was made with it; then restart what does not take it up by itself",
  };
}

/** By the authority's key, where it is at hand; what cannot take a new certificate up by itself is restarted. */
function renewal(group: Group, local: LocalFacts | undefined): Pick<Trouble, "commands" | "advice"> {
  if (defined(group[0]).isAuthority) {
    return { commands: [], advice: "give the cluster a new authority; everything that it signed must be recreated" };
  }
  const files = [
    ...new Map(group.flatMap(({ files }) => (files === undefined ? [] : [[files.certificate, files]]))).values(),
  ];
  const renewable = files.filter(({ authority }) => authority !== undefined);
  const restart = group.some(({ owner }) => owner === "kubelet")
    ? serviceCommands(local === undefined ? "systemd" : local.serviceManager, "restart", "kubelet")
    : [];
  if (renewable.length > 0) {
    const { authority } = defined(renewable[0]);
    const flags = [
      `${input("caCert")}=${defined(authority).certificate}`,
      `${input("caKey")}=${defined(authority).key}`,
    ];
    const names = renewable.map(({ certificate }) => certificate);
    return {
      commands: [`sudo ${commandLine("kubemend", "certificate", "renew", ...names, ...flags)}`, ...restart],
      advice: "programs that do not take a new certificate up by themselves must be restarted",
    };
  }
  if (group.some(({ owner }) => owner === "kubelet")) {
    const node = group.find((each) => each.node !== undefined)?.node ?? "NODE";
    const advice =
      "with a bootstrap kubeconfig, once the expired certificate is moved away, a kubelet that is " +
      "restarted asks for a new one; without, on a control-plane node: " +
      `sudo ${commandLine(
        "kubemend",
        "certificate",
        "issue",
        "kubelet.conf",
        `${input("nodeName")}=${node}`,
        `${input("to")}=/root/${node}`,
      )}, ` +
      "and then as it prints";
    return { commands: restart, advice };
  }
  const places = group.map(({ place }) => place);
  return {
    commands: [],
    advice: `renew it where its authority's key is: kubemend certificate renew (${someOf(places)})`,
  };
}
