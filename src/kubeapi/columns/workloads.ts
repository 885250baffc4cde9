/** Rows of what runs pods: deployments, sets, jobs, autoscalers, budgets. Source: pkg/printers/internalversion. */
import type { JsonValue, KubeObject } from "../../kube/object.ts";
import { humanDuration, since } from "./age.ts";
import { count, entries, field, list, text } from "./field.ts";
import { targetsText } from "./hpa-targets.ts";
import { columns, type KindTable, type RowContext } from "./kind-table.ts";
import { labelsText, selectorText } from "./selector-text.ts";

const name = (object: KubeObject) => object.metadata.name;
const age = (object: KubeObject, { now }: RowContext) => since(object.metadata.creationTimestamp, now);

/** Names and images of the containers of a pod template. */
function containerCells(template: JsonValue | undefined): readonly [names: string, images: string] {
  const containers = list(template ?? null, "spec.containers");
  const of = (what: string) => containers.map((container) => text(container, what)).join(",");
  return [of("name"), of("image")];
}

const replicas = (object: KubeObject) => text(object, "spec.replicas", "1");

export const deploymentTable: KindTable = {
  columns: columns("NAME READY UP-TO-DATE AVAILABLE AGE | CONTAINERS IMAGES SELECTOR"),
  row: (object, context) => [
    name(object),
    `${count(object, "status.readyReplicas")}/${replicas(object)}`,
    count(object, "status.updatedReplicas"),
    count(object, "status.availableReplicas"),
    age(object, context),
    ...containerCells(field(object, "spec", "template")),
    selectorText(field(object, "spec", "selector"), "", ""),
  ],
};

export const daemonSetTable: KindTable = {
  columns: columns("NAME DESIRED CURRENT READY UP-TO-DATE AVAILABLE NODE_SELECTOR AGE | CONTAINERS IMAGES SELECTOR"),
  row: (object, context) => [
    name(object),
    count(object, "status.desiredNumberScheduled"),
    count(object, "status.currentNumberScheduled"),
    count(object, "status.numberReady"),
    count(object, "status.updatedNumberScheduled"),
    count(object, "status.numberAvailable"),
    labelsText(field(object, "spec", "template", "spec", "nodeSelector")),
    age(object, context),
    ...containerCells(field(object, "spec", "template")),
    selectorText(field(object, "spec", "selector")),
  ],
};

const replicaRow = (object: KubeObject, context: RowContext, selector: string) => [
  name(object),
  replicas(object),
  count(object, "status.replicas"),
  count(object, "status.readyReplicas"),
  age(object, context),
  ...containerCells(field(object, "spec", "template")),
  selector,
];

export const replicaSetTable: KindTable = {
  columns: columns("NAME DESIRED CURRENT READY AGE | CONTAINERS IMAGES SELECTOR"),
  row: (object, context) => replicaRow(object, context, selectorText(field(object, "spec", "selector"))),
};

export const replicationControllerTable: KindTable = {
  columns: replicaSetTable.columns,
  row: (object, context) => replicaRow(object, context, labelsText(field(object, "spec", "selector"))),
};

export const statefulSetTable: KindTable = {
  columns: columns("NAME READY AGE | CONTAINERS IMAGES"),
  row: (object, context) => [
    name(object),
    `${count(object, "status.readyReplicas")}/${replicas(object)}`,
    age(object, context),
    ...containerCells(field(object, "spec", "template")),
  ],
};

export const controllerRevisionTable: KindTable = {
  columns: columns("NAME CONTROLLER REVISION AGE"),
  row: (object, context) => {
    const owner = list(object, "metadata.ownerReferences").find((each) => field(each, "controller") === true);
    const [group, version] = text(owner, "apiVersion").split("/");
    const suffix = version === undefined ? "" : `.${group}`;
    return [
      name(object),
      owner === undefined ? "<none>" : `${text(owner, "kind").toLowerCase()}${suffix}/${text(owner, "name")}`,
      count(object, "revision"),
      age(object, context),
    ];
  },
};

export const podTemplateTable: KindTable = {
  columns: columns("NAME CONTAINERS IMAGES POD_LABELS"),
  row: (object) => [
    name(object),
    ...containerCells(field(object, "template")),
    labelsText(field(object, "template", "metadata", "labels")),
  ],
};

export const jobTable: KindTable = {
  columns: columns("NAME STATUS COMPLETIONS DURATION AGE | CONTAINERS IMAGES SELECTOR"),
  row: (object, context) => [
    name(object),
    jobStatus(object),
    jobCompletions(object),
    jobDuration(object, context.now),
    age(object, context),
    ...containerCells(field(object, "spec", "template")),
    selectorText(field(object, "spec", "selector")),
  ],
};

function jobStatus(job: KubeObject): string {
  const is = (type: string) =>
    text(list(job, "status.conditions").find((each) => text(each, "type") === type) ?? null, "status") === "True";
  if (is("Complete")) return "Complete";
  if (is("Failed")) return "Failed";
  if (job.metadata.deletionTimestamp !== undefined) return "Terminating";
  if (is("Suspended")) return "Suspended";
  return is("FailureTarget") ? "FailureTarget" : "Running";
}

function jobCompletions(job: KubeObject): string {
  const succeeded = count(job, "status.succeeded");
  const completions = text(job, "spec.completions");
  if (completions !== "") return `${succeeded}/${completions}`;
  const parallelism = Number(count(job, "spec.parallelism"));
  return parallelism > 1 ? `${succeeded}/1 of ${parallelism}` : `${succeeded}/1`;
}

function jobDuration(job: KubeObject, now: number): string {
  const start = text(job, "status.startTime");
  if (start === "") return "";
  const end = text(job, "status.completionTime");
  return humanDuration((end === "" ? now : Date.parse(end)) - Date.parse(start));
}

export const cronJobTable: KindTable = {
  columns: columns("NAME SCHEDULE TIMEZONE SUSPEND ACTIVE LAST_SCHEDULE AGE | CONTAINERS IMAGES SELECTOR"),
  row: (object, context) => {
    const last = text(object, "status.lastScheduleTime");
    const suspend = field(object, "spec", "suspend");
    return [
      name(object),
      text(object, "spec.schedule"),
      text(object, "spec.timeZone", "<none>"),
      suspend === undefined ? "<unset>" : suspend ? "True" : "False",
      String(list(object, "status.active").length),
      last === "" ? "<none>" : since(last, context.now),
      age(object, context),
      ...containerCells(field(object, "spec", "jobTemplate", "spec", "template")),
      selectorText(field(object, "spec", "jobTemplate", "spec", "selector")),
    ];
  },
};

export const horizontalPodAutoscalerTable: KindTable = {
  columns: columns("NAME REFERENCE TARGETS MINPODS MAXPODS REPLICAS AGE"),
  row: (object, context) => [
    name(object),
    `${text(object, "spec.scaleTargetRef.kind")}/${text(object, "spec.scaleTargetRef.name")}`,
    targetsText(object),
    text(object, "spec.minReplicas", "<unset>"),
    count(object, "spec.maxReplicas"),
    count(object, "status.currentReplicas"),
    age(object, context),
  ],
};

export const podDisruptionBudgetTable: KindTable = {
  columns: columns("NAME MIN_AVAILABLE MAX_UNAVAILABLE ALLOWED_DISRUPTIONS AGE"),
  row: (object, context) => [
    name(object),
    text(object, "spec.minAvailable", "N/A"),
    text(object, "spec.maxUnavailable", "N/A"),
    count(object, "status.disruptionsAllowed"),
    age(object, context),
  ],
};

export const resourceQuotaTable: KindTable = {
  columns: columns("NAME REQUEST LIMIT AGE"),
  row: (object, context) => {
    const requests: string[] = [];
    const limits: string[] = [];
    for (const [resource, hard] of [...entries(object, "status.hard")].sort(([a], [b]) => (a < b ? -1 : 1))) {
      const used = text(field(object, "status", "used"), [resource], "0");
      (resource.startsWith("limits.") ? limits : requests).push(`${resource}: ${used}/${text(hard, [])}`);
    }
    return [name(object), requests.join(", "), limits.join(", "), age(object, context)];
  },
};
