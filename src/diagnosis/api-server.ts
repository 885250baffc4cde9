/**
 * The API server, as it answers the kubeconfig's address. What is wrong behind it is reported by `local-control-plane.ts`,
 * `etcd.ts` and `certificates.ts`.
 */
import { input } from "../errors/input.ts";
import { kubectl } from "./command-line.ts";
import { restartHere } from "./component-commands.ts";
import type { ApiOutcome, Facts, FailedCheck } from "./facts.ts";
import { serviceCommands } from "./service-command.ts";
import type { Trouble } from "./trouble.ts";
import { spanText } from "./words.ts";

/** One small read that takes this long is felt by everybody. */
const SLOW_MS = 1000;
/** Certificates, tokens and leases go by the clock. */
const MOST_SKEW_MS = 60_000;

const DOWN = "nothing can be seen or changed with kubectl, and nothing heals; running pods keep serving";

/** Causes that a connection to a dead or deaf API server may have, reported by the other rules. */
const CAUSES_OF_SILENCE = [
  "manifest-missing:kube-apiserver",
  "manifest-invalid:kube-apiserver",
  "crash-loop:kube-apiserver",
  "port-taken:kube-apiserver",
  "not-running:kube-apiserver",
  "kubelet-stopped:kube-apiserver",
  ...etcdCauses(),
  "certificate-expired:api-server",
  "certificate-key-mismatch:api-server",
];

function etcdCauses(): string[] {
  return ["etcd-unreachable", "etcd-quorum-lost", "etcd-no-leader", "certificate-expired:etcd"];
}

export function judgeApiServer(facts: Facts): Trouble[] {
  const { api } = facts;
  if (api === undefined) return [];
  const { outcome, server } = api;
  const make = (given: Omit<Trouble, "area" | "where">): Trouble => ({ area: "api-server", where: server, ...given });
  switch (outcome.state) {
    case "answers":
      return judgeAnswer(outcome, facts, make);
    case "unreachable":
      return [
        make({
          level: "error",
          code: "api-server-unreachable",
          text: outcome.text,
          evidence: [],
          consequence: DOWN,
          ...reach(facts),
          explainedBy: CAUSES_OF_SILENCE,
        }),
      ];
    case "silent":
      return [
        make({
          level: "error",
          code: "api-server-silent",
          text: `the API server at "${server}" takes connections and does not answer within ${outcome.seconds} s`,
          evidence: [],
          consequence: DOWN,
          ...reach(facts),
          explainedBy: CAUSES_OF_SILENCE,
        }),
      ];
    case "untrusted":
      return [
        make({
          level: "error",
          code: "api-server-untrusted",
          text: outcome.text,
          evidence: [],
          consequence: "no client that checks certificates can connect, kubelets and controllers among them",
          commands: [],
          advice: `give the API server a certificate for the name that "${api.source}" calls it by, of the authority in it`,
          explainedBy: [
            "certificate-expired:api-server",
            "certificate-key-mismatch:api-server",
            "port-taken:kube-apiserver",
          ],
        }),
      ];
    case "denied":
      return [
        make({
          level: "error",
          code: "api-server-denies-us",
          text: outcome.text,
          evidence: [],
          consequence: "nothing of the cluster can be seen with these credentials; others may work",
          commands: [],
          advice: `pass another ${input("kubeconfig")}: on a kubeadm master, /etc/kubernetes/admin.conf`,
          explainedBy: ["certificate-expired:kubeconfig"],
        }),
      ];
    case "failing":
      return [
        make({
          level: "error",
          code: "api-server-failing",
          text: `the API server at "${server}" answers ${outcome.status}: ${outcome.text}`,
          evidence: outcome.failedChecks.map(checkText),
          consequence: DOWN,
          ...reach(facts),
          explainedBy: CAUSES_OF_SILENCE,
        }),
      ];
  }
}

function judgeAnswer(
  outcome: Extract<ApiOutcome, { state: "answers" }>,
  { access, api, local }: Facts,
  make: (given: Omit<Trouble, "area" | "where">) => Trouble,
): Trouble[] {
  const { failedChecks, readMilliseconds, skewMilliseconds } = outcome;
  const troubles: Trouble[] = [];
  if (failedChecks.length > 0) {
    const names = failedChecks.map(({ name }) => name);
    const etcd = names.some((name) => name.startsWith("etcd"));
    troubles.push(
      make({
        level: "error",
        code: "api-server-not-ready",
        text:
          `the API server at "${api?.server}" answers, and fails its ` +
          `check${names.length === 1 ? "" : "s"} ${names.map((name) => `"${name}"`).join(", ")}`,
        evidence: failedChecks.map(checkText),
        consequence: etcd ? DOWN : "load balancers take it out; part of what it serves does not work",
        commands: [kubectl(access, "get", "--raw", "/readyz?verbose")],
        advice: "its log says why; often an object in etcd that it cannot read",
        explainedBy: etcd ? etcdCauses() : names.flatMap(causesOfCheck),
      }),
    );
  }
  if (readMilliseconds !== undefined && readMilliseconds > SLOW_MS) {
    troubles.push(
      make({
        level: "warning",
        code: "api-server-slow",
        text: `the API server at "${api?.server}" took ${(readMilliseconds / 1000).toFixed(1)} s for one small read`,
        evidence: [],
        consequence: "everything takes its time; leaders may lose their leases, nodes may seem lost",
        commands: [kubectl(access, "get", "--raw", "/metrics")],
        advice: "look at the machine's CPU and disk, at etcd's latency, and at who asks so much",
        explainedBy: [...etcdCauses(), "etcd-member-behind"],
      }),
    );
  }
  if (skewMilliseconds !== undefined && Math.abs(skewMilliseconds) > MOST_SKEW_MS) {
    const way = skewMilliseconds > 0 ? "ahead of" : "behind";
    troubles.push(
      make({
        level: "warning",
        code: "clocks-differ",
        text: `the API server's clock is ${spanText(Math.abs(skewMilliseconds))} ${way} this machine's`,
        evidence: [],
        consequence: "certificates and tokens count as expired or not valid yet, on one side or the other",
        commands: serviceCommands(local?.serviceManager ?? "systemd", "restart", clockService(local)),
        advice: "set the clock of the machine where it is wrong: restart its time service",
      }),
    );
  }
  return troubles;
}

function clockService(local: Facts["local"]): string {
  return local === undefined ? "systemd-timesyncd" : "chronyd";
}

/** Hooks after the start write what every cluster needs; informers read. */
function causesOfCheck(name: string): string[] {
  if (name === "informer-sync") return ["etcd-quorum-lost"];
  return name.startsWith("poststarthook/") ? ["etcd-alarm-nospace", "webhook-without-backend"] : [];
}

function checkText({ name, reason }: FailedCheck): string {
  return `check ${name} fails: ${reason}`;
}

/** Nothing more is known of an API server elsewhere: there is more to be seen on its machine. */
function reach({ api, local, ...rest }: Facts): Pick<Trouble, "commands" | "advice"> {
  if (api?.isLocal === true && local !== undefined) {
    return restartHere("kube-apiserver", { api, local, ...rest });
  }
  return { commands: ["sudo kubemend diagnose"], advice: "on a control-plane node, where its cause can be seen" };
}
