/** How the API server answers: its checks, one read that etcd has to answer, its clock; and why not, where it does not. */

import type { ApiOutcome, ApiServerFacts, FailedCheck } from "../../../diagnosis/facts.ts";
import { defined } from "../../../errors/defined.ts";
import { MendError } from "../../../errors/errors.ts";
import { explainApiFailure } from "../../../io/api-server/api-failure.ts";
import { ApiError, type ClusterApi } from "../../../io/api-server/cluster-api.ts";
import { ownAddresses } from "../../../io/node/local-node.ts";
import type { Attempt, Probes } from "./probes.ts";

export interface ApiServerProbe {
  readonly facts: ApiServerFacts;
  /** The server's clock less this machine's, to a second; 0 where it did not send it. */
  readonly skew: number;
}

/** Every cluster has it, and everybody who may see anything may see it. */
const READ = "/api/v1/namespaces/kube-system";

/** Whether an API server's address is one of this machine; one of the loopback may be a tunnel's. */
export function isOwnAddress(server: URL): boolean {
  return ownAddresses().has(server.hostname.replace(/^\[(.*)\]$/, "$1"));
}

export async function probeApiServer(api: ClusterApi, probes: Probes, now: () => number): Promise<ApiServerProbe> {
  const began = now();
  let readMilliseconds: number | undefined;
  const [health, version, read] = await Promise.all([
    probes.attempt((signal) => askHealth(api, signal)),
    probes.attempt((signal) => api.request("GET", "/version", undefined, { signal })),
    probes.attempt(async (signal) => {
      const start = performance.now();
      const found = await api.get(READ, signal);
      readMilliseconds = performance.now() - start;
      return found;
    }),
  ]);
  const { access } = api;
  // The date is of the second that the answer began in.
  const date = health.ok ? health.value.date + 500 : Number.NaN;
  const skew = Number.isNaN(date) ? undefined : Math.round(date - (began + now()) / 2);
  const outcome = await judgeOutcome();
  return {
    facts: { server: access.server.host, source: access.source, isLocal: isOwnAddress(access.server), outcome },
    skew: skew === undefined || Math.abs(skew) < 2000 ? 0 : skew,
  };

  async function judgeOutcome(): Promise<ApiOutcome> {
    const failedChecks = health.ok ? health.value.failedChecks : [];
    const denied = !read.ok && read.error instanceof ApiError && read.error.status === 403;
    if (read.ok || denied) {
      const text = version.ok ? String(version.value.gitVersion ?? "") : "";
      return { state: "answers", version: text, readMilliseconds, skewMilliseconds: skew, failedChecks };
    }
    if (health.ok && (read.late || (read.error instanceof ApiError && read.error.status !== 401))) {
      const status = read.error instanceof ApiError ? read.error.status : health.value.status;
      if (health.value.status >= 400 || read.error instanceof ApiError) {
        return { state: "failing", status, text: read.late ? `"${READ}" gets ${read.text}` : read.text, failedChecks };
      }
    }
    return explainSilence(read, api, probes, now);
  }
}

async function explainSilence(
  read: Extract<Attempt<unknown>, { ok: false }>,
  api: ClusterApi,
  probes: Probes,
  now: () => number,
): Promise<ApiOutcome> {
  if (read.late) return { state: "silent", seconds: probes.deadlineMs / 1000 };
  const explained = await explainApiFailure(read.error, api.access, now());
  const error = explained instanceof MendError ? explained : read.error;
  const text = error instanceof MendError ? error.message : read.text;
  if (error instanceof MendError && error.code === "api-untrusted") return { state: "untrusted", text };
  if (error instanceof MendError && error.code === "api-denied") return { state: "denied", text };
  return { state: "unreachable", text };
}

interface Health {
  readonly status: number;
  readonly date: number;
  readonly failedChecks: readonly FailedCheck[];
}

/** `/readyz` since 1.16; before, `/healthz`, which has the same form. */
async function askHealth(api: ClusterApi, signal: AbortSignal): Promise<Health> {
  let answer = await api.probe("/readyz?verbose", signal);
  if (answer.status === 404) answer = await api.probe("/healthz?verbose", signal);
  const lines = [...answer.text.matchAll(/^\[-\](\S+) failed: (.*)$/gm)];
  return {
    status: answer.status,
    date: answer.date,
    failedChecks: lines.map(([, name, reason]) => ({ name: defined(name), reason: defined(reason) })),
  };
}
