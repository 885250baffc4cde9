/**
 * Scheduler and controller manager, judged by their lease: who holds it and when it was renewed. A pod that is Running
 * and Ready and cannot renew is down. Leaders renew every 2 s a lease of 15 s unless set otherwise (client-go's leader
 * election).
 */
import { defined } from "../errors/defined.ts";
import { input } from "../errors/input.ts";
import { holderHost } from "../kube/lease.ts";
import { commandLine, kubectl, kubemend } from "./command-line.ts";
import { restartHere } from "./component-commands.ts";
import type { ComponentFacts, ComponentPod, Facts, LeaseFacts } from "./facts.ts";
import { remoteServiceCommands } from "./service-command.ts";
import { usesStaticPods } from "./static-pods.ts";
import type { Trouble } from "./trouble.ts";
import { spanText } from "./words.ts";

const CONSEQUENCE = {
  "kube-scheduler": "new pods stay Pending; running pods keep running",
  "kube-controller-manager":
    "nothing is replaced, scaled, rolled out or cleaned up, and lost nodes are not noticed; running pods keep running",
} as const;

const DOWN = {
  "kube-scheduler": "scheduler-down",
  "kube-controller-manager": "controller-manager-down",
} as const;

/** Whether a lease must be watched before anything is said of it: too old by the clock, too new, or given up. */
function looksAbandoned({ holder, renewed, durationSeconds }: LeaseFacts, now: number): boolean {
  const age = now - renewed;
  return holder === "" || !(age <= durationSeconds * 1000) || age < -durationSeconds * 1000;
}

/** Leaders renew every few seconds, however long their lease lasts: one of 137 s is renewed every 26 s (OpenShift). */
const STALE_MS = 60_000;
/** Since then candidates wait as long as the lease says, and not as long as their own would last (client-go). */
const RECORDED_DURATION_MINOR = 27;

/** Whether nobody may be renewing it, though it lasts. */
export function looksStale(lease: LeaseFacts, now: number): boolean {
  return looksAbandoned(lease, now) || now - lease.renewed > STALE_MS;
}

export function judgeLeases(facts: Facts): Trouble[] {
  const { cluster } = facts;
  if (cluster === undefined) return [];
  const down = cluster.components.filter(
    ({ lease, leaseDoubt }) => lease?.renewedMeanwhile === false && leaseDoubt === undefined,
  );
  const stale = down.filter((component) => isInTheWay(component, cluster.now, cluster.minor));
  const dead = down.filter((component) => !stale.includes(component));
  return [
    ...stale.map((component) => staleTrouble(component, facts, cluster.now)),
    ...dead.map((component) => downTrouble(component, dead, facts, cluster.now)),
    ...cluster.components.filter((each) => !down.includes(each)).flatMap((each) => standInTrouble(each, facts)),
  ];
}

/** A dead holder's lease that lasts for long, while those that would take it over wait. */
function isInTheWay({ lease, workload, pods }: ComponentFacts, now: number, minor: number): boolean {
  if (lease === undefined || looksAbandoned(lease, now) || minor < RECORDED_DURATION_MINOR) return false;
  return pods.some(({ phase }) => phase === "Running") || (workload === undefined && pods.length === 0);
}

function staleTrouble({ name, pods, lease }: ComponentFacts, { access }: Facts, now: number): Trouble {
  const { place, holder, renewed, durationSeconds } = defined(lease);
  const [kind = "", path = ""] = place.split(" ");
  const [namespace = "", own = ""] = path.split("/");
  const short = name === "kube-scheduler" ? "scheduler" : "controller-manager";
  const object = commandLine(input("remove"), `${kind}/${own}`, "-n", namespace);
  return {
    area: short,
    level: "error",
    code: "lease-stale",
    keys: [DOWN[name]],
    where: place,
    text:
      `no ${short.replace("-", " ")} works: ${place} is held by "${holder}", which has not renewed it for ` +
      spanText(now - renewed),
    evidence: [
      `it lasts ${durationSeconds} s: nobody else takes it over in the next ${spanText(renewed + durationSeconds * 1000 - now)}`,
      ...pods.map(podEvidence),
    ],
    consequence: CONSEQUENCE[name],
    commands: [kubectl(access, "-n", namespace, "delete", kind, own)],
    advice:
      `whoever runs takes a new lease within seconds; where nobody does: ` +
      `${kubemend(access, "rescue", short)}; without an API server: kubemend snapshot restore BACKUP ${input("dataDir")} DIR ${object}`,
    explainedBy: ["api-server-failing", "etcd-quorum-lost", "etcd-alarm-nospace"],
  };
}

/** It works, and only until its rescue pod ends: nobody starts that one again. */
function standInTrouble(component: ComponentFacts, { access }: Facts): Trouble[] {
  const { name, pods, lease } = component;
  const standIn = pods.find(({ isRescuePod, phase }) => isRescuePod && phase === "Running");
  const own = pods.filter(({ isRescuePod }) => !isRescuePod);
  if (standIn === undefined || own.some(({ phase, ready }) => phase === "Running" && ready)) return [];
  const short = name.replace("kube-", "");
  return [
    {
      area: name === "kube-scheduler" ? "scheduler" : "controller-manager",
      level: "error",
      code: name === "kube-scheduler" ? "scheduler-by-rescue-pod" : "controller-manager-by-rescue-pod",
      where: lease?.place ?? name,
      text: `the ${short.replace("-", " ")} works by its rescue pod ${standIn.namespace}/${standIn.name} alone`,
      evidence: [...workloadEvidence(component), ...own.map(podEvidence)],
      consequence: `once that pod or its node ends: ${CONSEQUENCE[name]}`,
      commands: [kubemend(access, "rescue", short)],
      explainedBy: LOCAL_CAUSES.map((cause) => `${cause}:${name}`),
    },
  ];
}

function downTrouble(component: ComponentFacts, down: readonly ComponentFacts[], facts: Facts, now: number): Trouble {
  const { name, pods } = component;
  const lease = defined(component.lease);
  const since = spanText(now - lease.renewed);
  const held =
    lease.holder === ""
      ? `${lease.place}: its holder gave it up ${since} ago`
      : `${lease.place}: held by "${lease.holder}", renewed ${since} ago, though it lasts ${lease.durationSeconds} s`;
  return {
    area: name === "kube-scheduler" ? "scheduler" : "controller-manager",
    level: "error",
    code: DOWN[name],
    where: lease.place,
    text: name === "kube-scheduler" ? "no scheduler works" : "no controller manager works",
    evidence: [held, ...workloadEvidence(component), ...pods.map(podEvidence)],
    consequence: CONSEQUENCE[name],
    ...mend(component, down, facts),
    explainedBy: [
      ...LOCAL_CAUSES.map((cause) => `${cause}:${name}`),
      "api-server-failing",
      "etcd-quorum-lost",
      "etcd-alarm-nospace",
    ],
  };
}

/** Told of this machine's own (`local-control-plane.ts`), by the key that they have for a component. */
const LOCAL_CAUSES = [
  "manifest-missing",
  "crash-loop",
  "port-taken",
  "kubelet-stopped",
  "not-running",
  "manifest-invalid",
];

function workloadEvidence({ workload, pods }: ComponentFacts): string[] {
  if (workload === undefined) return [];
  const { kind, namespace, name, replicas } = workload;
  if (replicas === 0) return [`${kind} ${namespace}/${name} is scaled to 0`];
  return pods.length === 0 ? [`${kind} ${namespace}/${name} has no pod`] : [];
}

function podEvidence({ namespace, name, node, phase, ready, waiting }: ComponentPod): string {
  const state = waiting ?? (phase === "Running" ? (ready ? "Running and Ready" : "Running, not Ready") : phase);
  const place = node === "" ? "on no node" : `on ${node}`;
  const but = phase === "Running" && ready && waiting === undefined ? ", and does not renew" : "";
  return `pod ${namespace}/${name} ${place} is ${state}${but}`;
}

function mend(
  component: ComponentFacts,
  down: readonly ComponentFacts[],
  facts: Facts,
): Pick<Trouble, "commands" | "advice"> {
  const { access, local } = facts;
  const { name, lease } = component;
  const rescuable = (each: ComponentFacts) => each.workload !== undefined || each.pods.length > 0;
  if (rescuable(component)) {
    const words = down.filter(rescuable).map((each) => each.name.replace("kube-", ""));
    // It scales up what was scaled to 0.
    return { commands: [kubemend(access, "rescue", ...words)] };
  }
  // A program of the machine itself: its holder's name begins with the machine's.
  const host = lease?.holder ? holderHost(lease) : undefined;
  if (usesStaticPods(facts)) {
    // Its manifest is gone, and with it what the API server knew of it; etcd still remembers it for some minutes.
    const words = down.filter((each) => !rescuable(each)).map((each) => each.name.replace("kube-", ""));
    const there = host === undefined ? "on a control-plane node" : `on ${host}`;
    return {
      commands: [kubemend(access, "rescue", ...words)],
      advice: `that is for the meantime: ${there}, sudo kubemend diagnose says what became of its static pod`,
    };
  }
  if (facts.cluster?.components.some(({ workload }) => workload !== undefined)) {
    // A control plane that runs on its own cluster: what made this one's pods was deleted.
    const backup = `kubemend snapshot get BACKUP deployment/${name} -n kube-system -o yaml`;
    return {
      commands: [kubemend(access, "rescue", name.replace("kube-", ""))],
      advice: `its Deployment is gone: create it again, from its manifest or a backup of etcd (${backup})`,
    };
  }
  if (host === undefined)
    return { commands: [], advice: `start ${name} on a control-plane node, as it is started there` };
  if (local !== undefined && local.nodeName === host) return restartHere(name, facts);
  const osImage = facts.cluster?.nodes.find((node) => node.name === host)?.osImage ?? "";
  return { commands: remoteServiceCommands(host, osImage, "restart", name) };
}
