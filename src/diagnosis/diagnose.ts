/** All rules, the roots of what they find, and a line for each area that is well. */
import { input } from "../errors/input.ts";
import { joinAlike } from "./alike.ts";
import { judgeApiServer } from "./api-server.ts";
import { judgeBlockers } from "./blockers.ts";
import { judgeCertificates } from "./certificates.ts";
import { judgeEtcd } from "./etcd.ts";
import type { ComponentFacts, Facts } from "./facts.ts";
import { judgeLeases, looksStale } from "./leases.ts";
import { judgeLocal } from "./local-control-plane.ts";
import { judgeNodes } from "./nodes.ts";
import { suppressConsequences } from "./suppression.ts";
import { AREAS, type Area, type Trouble } from "./trouble.ts";
import { countText, someOf, spanText } from "./words.ts";
import { judgeWorkloads } from "./workloads.ts";

export interface Diagnosis {
  /** `unknown`: nothing broken was found, and nothing of the cluster itself could be judged. Warnings do not count. */
  readonly verdict: "healthy" | "broken" | "unknown";
  /** Whether the verdict is `healthy`. */
  readonly healthy: boolean;
  /** The worst first. */
  readonly troubles: readonly Trouble[];
  readonly areas: readonly AreaSummary[];
}

export interface AreaSummary {
  readonly area: Area;
  readonly state: "ok" | "warning" | "broken" | "unknown";
  readonly text: string;
}

export function diagnose(facts: Facts): Diagnosis {
  const roots = suppressConsequences([
    ...judgeLocal(facts),
    ...judgeCertificates(facts),
    ...judgeEtcd(facts),
    ...judgeApiServer(facts),
    ...judgeLeases(facts),
    ...judgeNodes(facts),
    ...judgeBlockers(facts),
    ...judgeWorkloads(facts),
  ]);
  const troubles = joinAlike(roots);
  const areas = AREAS.map((area) => summarise(area, troubles, facts));
  const verdict = verdictOf(troubles, areas, facts);
  return { verdict, healthy: verdict === "healthy", troubles, areas };
}

/** What a cluster is judged by: certificates, and an API server that answers and shows nothing, say nothing of it. */
const JUDGED: readonly Area[] = ["scheduler", "controller-manager", "nodes", "workloads"];

function verdictOf(
  troubles: readonly Trouble[],
  areas: readonly AreaSummary[],
  { api }: Pick<Facts, "api">,
): Diagnosis["verdict"] {
  if (troubles.some(({ level }) => level === "error")) return "broken";
  // Etcd says nothing of the rest either; but a host of etcd's alone has no more.
  const judged = api === undefined ? [...JUDGED, "etcd"] : JUDGED;
  const isKnown = areas.some(({ area, state }) => judged.includes(area) && state !== "unknown");
  return isKnown ? "healthy" : "unknown";
}

function summarise(area: Area, troubles: readonly Trouble[], facts: Facts): AreaSummary {
  const own = troubles.filter((trouble) => trouble.area === area && trouble.level !== "info");
  const gap = facts.unknown.find((each) => each.area === area);
  if (own.some(({ level }) => level === "error"))
    return { area, state: "broken", text: countText(own.length, "finding") };
  const known = SUMMARIES[area](facts);
  if (known === undefined) return { area, state: "unknown", text: gap?.text ?? whyUnknown(area, facts) };
  if (own.length > 0) return { area, state: "warning", text: known };
  return gap === undefined ? { area, state: "ok", text: known } : { area, state: "unknown", text: gap.text };
}

function whyUnknown(area: Area, { api, cluster }: Facts): string {
  if ((area === "scheduler" || area === "controller-manager") && cluster !== undefined) {
    const doubt = cluster.components.find(({ name }) => name === `kube-${area}`)?.leaseDoubt;
    return doubt ?? "nobody has ever held its lease: one that runs without leader election cannot be judged";
  }
  if (area === "etcd")
    return `how to reach it is not known from here: run this on a control-plane node, or pass ${input("endpoints")}`;
  if (api === undefined) return `there is no kubeconfig: pass ${input("kubeconfig")}`;
  return "the API server cannot be asked";
}

/** What is well, in a line; undefined where it is not known. */
const SUMMARIES: Readonly<Record<Area, (facts: Facts) => string | undefined>> = {
  "api-server": ({ api }) => {
    if (api?.outcome.state !== "answers") return undefined;
    const { version, readMilliseconds } = api.outcome;
    const took = readMilliseconds === undefined ? "" : `, a read takes ${Math.round(readMilliseconds)} ms`;
    return `${api.server}, ${version}${took}`;
  },
  etcd: ({ etcd }) => {
    if (etcd === undefined || "error" in etcd.health) return undefined;
    const { answeringVoters, voters, survivesLosses } = etcd.health;
    const spare = voters === 1 ? "" : `, ${survivesLosses > 0 ? survivesLosses : "none"} to spare`;
    return `${answeringVoters} of ${countText(voters, "member")} answer${voters === 1 ? "s" : ""}${spare}`;
  },
  scheduler: (facts) => leaseText("kube-scheduler", facts),
  "controller-manager": (facts) => leaseText("kube-controller-manager", facts),
  nodes: ({ cluster }) => {
    if (cluster === undefined) return undefined;
    const ready = cluster.nodes.filter(({ ready }) => ready === "True").length;
    return `${ready} of ${countText(cluster.nodes.length, "node")} ready`;
  },
  workloads: ({ cluster }) => {
    if (cluster === undefined) return undefined;
    const pending = cluster.pendingPods.length;
    const pods = cluster.podCount === undefined ? "" : `${countText(cluster.podCount, "pod")}, `;
    return `${pods}${pending === 0 ? "none" : String(pending)} pending`;
  },
  blockers: ({ cluster }) => {
    if (cluster === undefined) return undefined;
    const full = cluster.quotas
      .filter((quota) => quota.full.length > 0)
      .map(({ namespace, name }) => `${namespace}/${name}`);
    const note = full.length === 0 ? "" : ` (used up, and refusing nobody: quota ${someOf(full)})`;
    return `no webhook, aggregated API, finalizer, quota or disruption budget in the way${note}`;
  },
  certificates: ({ certificates, now }) => {
    if (certificates.length === 0) return undefined;
    const distinct = [...new Map(certificates.map((each) => [each.fingerprint, each])).values()];
    const valid = distinct.filter(({ notAfter }) => notAfter >= now);
    const expired = distinct.length - valid.length;
    const first = Math.min(...valid.map(({ notAfter }) => notAfter));
    const parts = [
      `${distinct.length} looked at`,
      ...(expired === 0 ? [] : [`${expired} expired`]),
      ...(valid.length === 0 ? [] : [`the ${expired === 0 ? "first" : "next"} expires in ${spanText(first - now)}`]),
    ];
    return parts.join(", ");
  },
};

function leaseText(name: ComponentFacts["name"], { cluster }: Facts): string | undefined {
  const component = cluster?.components.find((each) => each.name === name);
  const lease = component?.lease;
  if (cluster === undefined || lease === undefined) return undefined;
  if (component?.leaseDoubt !== undefined && lease.renewedMeanwhile !== true && looksStale(lease, cluster.now)) {
    return undefined;
  }
  return `"${lease.holder}", renewed ${spanText(cluster.now - lease.renewed)} ago`;
}
