/**
 * What may stand in everybody's way: webhooks and aggregated APIs without backend, namespaces that do not go, quotas,
 * disruption budgets.
 */

import type {
  ApiServiceFacts,
  DisruptionBudgetFacts,
  QuotaFacts,
  ScaledDownDeployment,
  StuckNamespace,
  WebhookFacts,
} from "../../../diagnosis/facts.ts";
import { defined } from "../../../errors/defined.ts";
import { listAll, listFirst, unlessAbsent, versionsOfGroup } from "../../../io/api-server/api-lists.ts";
import { type ClusterApi, METADATA_ONLY } from "../../../io/api-server/cluster-api.ts";
import { objectOf, objectsOf, textOf, textsOf } from "../../../kube/fields.ts";
import type { JsonObject, KubeObject } from "../../../kube/object.ts";
import { parseQuantity } from "../../../kube/quantity.ts";
import { replicasToFree } from "../../../nodes/budget.ts";

type ServiceName = WebhookFacts["service"];
const ADMISSION = ["admissionregistration.k8s.io/v1", "admissionregistration.k8s.io/v1beta1"];
const KINDS = ["ValidatingWebhookConfiguration", "MutatingWebhookConfiguration"] as const;
const MOST_NAMESPACES = 5;
const MOST_RESOURCES = 5;

/** Those that fail closed and that nobody serves. */
export async function webhooks(
  api: ClusterApi,
  deployments: readonly KubeObject[],
  signal: AbortSignal,
): Promise<WebhookFacts[]> {
  const found = await Promise.all(
    KINDS.map(async (kind) => {
      const configurations = await listFirst(api, ADMISSION, `${kind.toLowerCase()}s`, signal);
      return configurations.flatMap((configuration) =>
        objectsOf(configuration.webhooks).map((webhook, index) => ({ kind, configuration, webhook, index })),
      );
    }),
  );
  const closed = found.flat().filter(({ webhook, configuration }) => failsClosed(webhook, configuration.apiVersion));
  const backends = new Backends(api, deployments, signal);
  const facts = await Promise.all(
    closed.map(async ({ kind, configuration, webhook, index }): Promise<WebhookFacts[]> => {
      const service = serviceOf(objectOf(webhook.clientConfig).service as JsonObject | undefined);
      if (service === undefined) return []; // called by URL: whether that answers is not to be seen from here
      const { fault, deployment } = await backends.look(service);
      if (fault === undefined) return [];
      const name = textOf(webhook.name);
      return [
        {
          kind,
          configuration: configuration.metadata.name,
          index,
          name,
          intercepts: interceptsOf(webhook),
          service,
          fault,
          deployment,
        },
      ];
    }),
  );
  return facts.flat();
}

function failsClosed({ failurePolicy }: JsonObject, apiVersion: string): boolean {
  return failurePolicy === undefined ? !apiVersion.endsWith("v1beta1") : failurePolicy === "Fail";
}

/** Such as `create, update of pods, deployments.apps`. */
function interceptsOf(webhook: JsonObject): string {
  const parts = objectsOf(webhook.rules).map((rule) => {
    const verbs = textsOf(rule.operations).map((verb) => (verb === "*" ? "every change" : verb.toLowerCase()));
    const groups = textsOf(rule.apiGroups);
    const what = textsOf(rule.resources).map((resource) => {
      const all = resource === "*" || resource === "*/*" ? "everything" : resource;
      return groups.length === 1 && groups[0] !== "" && groups[0] !== "*" ? `${all}.${groups[0]}` : all;
    });
    return `${verbs.join(", ")} of ${what.join(", ")}`;
  });
  const narrowed = ["namespaceSelector", "objectSelector"].some(
    (name) => Object.keys(objectOf(webhook[name])).length > 0,
  );
  return `${parts.slice(0, 3).join("; ")}${narrowed ? ", as far as its selectors match" : ""}`;
}

export async function apiServices(
  api: ClusterApi,
  deployments: readonly KubeObject[],
  signal: AbortSignal,
): Promise<ApiServiceFacts[]> {
  const versions = ["apiregistration.k8s.io/v1", "apiregistration.k8s.io/v1beta1"];
  const services = await listFirst(api, versions, "apiservices", signal);
  const backends = new Backends(api, deployments, signal);
  const facts = await Promise.all(
    services.map(async ({ metadata, spec, status }): Promise<ApiServiceFacts[]> => {
      const available = objectsOf(objectOf(status).conditions).find(({ type }) => type === "Available");
      if (available?.status !== "False") return [];
      const service = serviceOf(objectOf(spec).service as JsonObject | undefined);
      const deployment = service && (await backends.look(service)).deployment;
      return [
        {
          name: metadata.name,
          reason: textOf(available.reason),
          message: textOf(available.message),
          service,
          deployment,
        },
      ];
    }),
  );
  return facts.flat();
}

function serviceOf(reference: JsonObject | undefined | null): ServiceName | undefined {
  const [namespace, name] = [textOf(objectOf(reference ?? {}).namespace), textOf(objectOf(reference ?? {}).name)];
  return name === "" ? undefined : { namespace, name };
}

interface Backend {
  readonly fault: WebhookFacts["fault"] | undefined;
  readonly deployment: ScaledDownDeployment | undefined;
}

/** Whether services are served by anybody; each is asked once. */
class Backends {
  readonly #looks = new Map<string, Promise<Backend>>();
  readonly #api: ClusterApi;
  readonly #deployments: readonly KubeObject[];
  readonly #signal: AbortSignal;

  constructor(api: ClusterApi, deployments: readonly KubeObject[], signal: AbortSignal) {
    this.#api = api;
    this.#deployments = deployments;
    this.#signal = signal;
  }

  look(service: ServiceName): Promise<Backend> {
    const key = `${service.namespace}/${service.name}`;
    const found = this.#looks.get(key) ?? this.#ask(service);
    this.#looks.set(key, found);
    return found;
  }

  async #ask({ namespace, name }: ServiceName): Promise<Backend> {
    const path = (kind: string) => `/api/v1/namespaces/${namespace}/${kind}/${name}`;
    const [service, endpoints] = await Promise.all(
      ["services", "endpoints"].map((kind) => unlessAbsent(this.#api.get(path(kind), this.#signal))),
    );
    if (service === undefined) return { fault: "service-missing", deployment: undefined };
    const served = objectsOf(endpoints?.subsets).some(({ addresses }) => objectsOf(addresses).length > 0);
    if (served || textOf(objectOf(service.spec).externalName) !== "")
      return { fault: undefined, deployment: undefined };
    return {
      fault: "no-endpoints",
      deployment: this.#scaledDown(namespace, objectOf(objectOf(service.spec).selector)),
    };
  }

  #scaledDown(namespace: string, selector: JsonObject): ScaledDownDeployment | undefined {
    const wanted = Object.entries(selector);
    if (wanted.length === 0) return undefined;
    const found = this.#deployments.find(({ metadata, spec }) => {
      const labels = objectOf(objectOf(objectOf(objectOf(spec).template).metadata).labels);
      return (
        metadata.namespace === namespace &&
        objectOf(spec).replicas === 0 &&
        wanted.every(([name, value]) => labels[name] === value)
      );
    });
    return found && { namespace, name: found.metadata.name };
  }
}

export async function stuckNamespaces(api: ClusterApi, signal: AbortSignal): Promise<StuckNamespace[]> {
  const namespaces = await listAll(api, "/api/v1/namespaces", "", signal);
  const going = namespaces.filter(({ metadata }) => metadata.deletionTimestamp !== undefined).slice(0, MOST_NAMESPACES);
  return Promise.all(
    going.map(async ({ metadata, spec, status }) => {
      const conditions = objectsOf(objectOf(status).conditions)
        .filter((each) => each.status === "True")
        .map(({ type, message }) => ({ type: textOf(type), message: textOf(message) }));
      const content = conditions.find(({ type }) => type === "NamespaceContentRemaining")?.message ?? "";
      const resources = [...content.matchAll(/([a-z0-9-]+)\.([a-z0-9.-]*) has \d+ resource instances/g)];
      const lists = await Promise.all(
        resources
          .slice(0, MOST_RESOURCES)
          .map(([, resource, group]) => remaining(api, metadata.name, defined(resource), defined(group), signal)),
      );
      return {
        name: metadata.name,
        since: Date.parse(metadata.deletionTimestamp ?? ""),
        conditions,
        finalizers: textsOf(objectOf(spec).finalizers).filter((each) => each !== "kubernetes"),
        ownFinalizers: textsOf(metadata.finalizers),
        remaining: lists.flat(),
      };
    }),
  );
}

async function remaining(
  api: ClusterApi,
  namespace: string,
  resource: string,
  group: string,
  signal: AbortSignal,
): Promise<StuckNamespace["remaining"]> {
  const [version] = group === "" ? ["v1"] : await versionsOfGroup(api, group, signal);
  if (version === undefined) return [];
  const root = group === "" ? "/api" : "/apis";
  const path = `${root}/${version}/namespaces/${namespace}/${resource}?limit=20`;
  const answer = await unlessAbsent(api.request("GET", path, undefined, { signal, accept: METADATA_ONLY }));
  return objectsOf(answer?.items).map((item) => {
    const metadata = objectOf(item.metadata);
    const type = group === "" ? resource : `${resource}.${group}`;
    return { resource: type, name: textOf(metadata.name), finalizers: textsOf(metadata.finalizers) };
  });
}

/** All of them: those that are not full matter where they refuse what asks for more than is left. */
export async function quotas(api: ClusterApi, signal: AbortSignal): Promise<QuotaFacts[]> {
  const found = await listAll(api, "/api/v1/resourcequotas", "", signal);
  return found.map(({ metadata, status }) => {
    const { hard, used } = objectOf(status);
    const full = Object.entries(objectOf(hard)).flatMap(([resource, limit]) => {
      const use = textOf(objectOf(used)[resource]);
      const isFull = parseQuantity(textOf(limit)) > 0 && parseQuantity(use) >= parseQuantity(textOf(limit));
      return isFull ? [{ resource, hard: textOf(limit), used: use }] : [];
    });
    return { namespace: metadata.namespace ?? "", name: metadata.name, full };
  });
}

export async function disruptionBudgets(api: ClusterApi, signal: AbortSignal): Promise<DisruptionBudgetFacts[]> {
  const found = await listFirst(api, ["policy/v1", "policy/v1beta1"], "poddisruptionbudgets", signal);
  return found.flatMap((budget) => {
    const { metadata, spec, status } = budget;
    const state = objectOf(status);
    // Not looked at yet by the controller: nothing is known of it.
    if (Number(state.observedGeneration ?? 0) < Number(metadata.generation ?? 0)) return [];
    const [allowed, expected, healthy, desired] = [
      state.disruptionsAllowed ?? state.podDisruptionsAllowed,
      state.expectedPods,
      state.currentHealthy,
      state.desiredHealthy,
    ].map((value) => Number(value ?? 0));
    return [
      {
        namespace: metadata.namespace ?? "",
        name: metadata.name,
        allowed: defined(allowed),
        expected: defined(expected),
        healthy: defined(healthy),
        desired: defined(desired),
        replicasToFree: replicasToFree(budget),
        letsUnreadyGo: objectOf(spec).unhealthyPodEvictionPolicy === "AlwaysAllow",
      },
    ];
  });
}
