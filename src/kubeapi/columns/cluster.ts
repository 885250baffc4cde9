/** Rows of nodes, namespaces, events and what else is about the cluster itself. Source: pkg/printers/internalversion. */
import type { KubeObject } from "../../kube/object.ts";
import { humanDuration, since } from "./age.ts";
import { count, entries, field, list, plainText, text } from "./field.ts";
import { columns, type KindTable, METADATA, type RowContext } from "./kind-table.ts";

const name = (object: KubeObject) => object.metadata.name;
const age = (object: KubeObject, { now }: RowContext) => since(object.metadata.creationTimestamp, now);

export const nodeTable: KindTable = {
  columns: columns("NAME STATUS ROLES AGE VERSION | INTERNAL-IP EXTERNAL-IP OS-IMAGE KERNEL-VERSION CONTAINER-RUNTIME"),
  row: (object, context) => [
    name(object),
    nodeStatus(object),
    nodeRoles(object),
    age(object, context),
    text(object, "status.nodeInfo.kubeletVersion"),
    nodeAddress(object, "InternalIP"),
    nodeAddress(object, "ExternalIP"),
    text(object, "status.nodeInfo.osImage", "<unknown>"),
    kernel(object),
    text(object, "status.nodeInfo.containerRuntimeVersion", "<unknown>"),
  ],
};

/** Since 1.36 with the architecture. */
function kernel(node: KubeObject): string {
  const version = text(node, "status.nodeInfo.kernelVersion", "<unknown>");
  const architecture = text(node, "status.nodeInfo.architecture");
  return architecture === "" || version === "<unknown>" ? version : `${version} (${architecture})`;
}

function nodeStatus(node: KubeObject): string {
  const ready = list(node, "status.conditions").findLast((each) => text(each, "type") === "Ready");
  const status = ready === undefined ? "Unknown" : text(ready, "status") === "True" ? "Ready" : "NotReady";
  return field(node, "spec", "unschedulable") === true ? `${status},SchedulingDisabled` : status;
}

const ROLE_LABEL = "node-role.kubernetes.io/";

function nodeRoles(node: KubeObject): string {
  const roles = new Set<string>();
  for (const [label, value] of entries(node, "metadata.labels")) {
    if (label.startsWith(ROLE_LABEL) && label.length > ROLE_LABEL.length) roles.add(label.slice(ROLE_LABEL.length));
    else if (label === "kubernetes.io/role" && value !== "") roles.add(plainText(value));
  }
  return [...roles].sort().join(",") || "<none>";
}

function nodeAddress(node: KubeObject, type: string): string {
  const address = list(node, "status.addresses").find((each) => text(each, "type") === type);
  return address === undefined ? "<none>" : text(address, "address");
}

export const namespaceTable: KindTable = {
  columns: columns("NAME STATUS AGE"),
  row: (object, context) => [name(object), text(object, "status.phase"), age(object, context)],
};

export const eventTable: KindTable = {
  fields: {
    metadata: METADATA,
    involvedObject: { kind: true, name: true, fieldPath: true },
    reason: true,
    message: true,
    source: true,
    firstTimestamp: true,
    lastTimestamp: true,
    count: true,
    type: true,
    eventTime: true,
    series: true,
    reportingComponent: true,
    reportingInstance: true,
  },
  columns: [
    ...columns("LAST_SEEN TYPE REASON OBJECT | SUBOBJECT SOURCE"),
    ...columns("MESSAGE | FIRST_SEEN COUNT NAME"),
  ],
  row: (object, { now }) => {
    const time = text(object, "firstTimestamp") || text(object, "eventTime");
    const first = since(time, now);
    const series = field(object, "series");
    const last = text(object, "lastTimestamp");
    const about = text(object, "involvedObject.kind").toLowerCase();
    const aboutName = text(object, "involvedObject.name");
    const times = Number(count(object, "count"));
    return [
      series !== undefined ? since(text(series, "lastObservedTime"), now) : last === "" ? first : since(last, now),
      text(object, "type"),
      text(object, "reason"),
      aboutName === "" ? about : `${about}/${aboutName}`,
      text(object, "involvedObject.fieldPath"),
      eventSource(object),
      text(object, "message").trim(),
      first,
      series !== undefined ? count(series, "count") : String(times === 0 ? 1 : times),
      name(object),
    ];
  },
};

function eventSource(event: KubeObject): string {
  const component = text(event, "source.component") || text(event, "reportingComponent");
  const instance = text(event, "source.host") || text(event, "reportingInstance");
  return instance === "" ? component : `${component}, ${instance}`;
}

export const leaseTable: KindTable = {
  fields: { metadata: METADATA, spec: { holderIdentity: true } },
  columns: columns("NAME HOLDER AGE"),
  row: (object, context) => [name(object), text(object, "spec.holderIdentity"), age(object, context)],
};

export const leaseCandidateTable: KindTable = {
  columns: columns("NAME LEASENAME BINARYVERSION EMULATIONVERSION AGE"),
  row: (object, context) => [
    name(object),
    text(object, "spec.leaseName"),
    text(object, "spec.binaryVersion"),
    text(object, "spec.emulationVersion"),
    age(object, context),
  ],
};

export const apiServiceTable: KindTable = {
  columns: columns("NAME SERVICE AVAILABLE AGE"),
  row: (object, context) => {
    const service = field(object, "spec", "service");
    const available = list(object, "status.conditions").find((each) => text(each, "type") === "Available") ?? null;
    const status = text(available, "status", "Unknown");
    const reason = text(available, "reason");
    return [
      name(object),
      service === undefined ? "Local" : `${text(service, "namespace")}/${text(service, "name")}`,
      status === "True" || reason === "" ? status : `${status} (${reason})`,
      age(object, context),
    ];
  },
};

export const priorityClassTable: KindTable = {
  columns: columns("NAME VALUE GLOBAL-DEFAULT AGE PREEMPTIONPOLICY"),
  row: (object, context) => [
    name(object),
    count(object, "value"),
    text(object, "globalDefault", "false"),
    age(object, context),
    text(object, "preemptionPolicy"),
  ],
};

export const runtimeClassTable: KindTable = {
  columns: columns("NAME HANDLER AGE"),
  row: (object, context) => [
    name(object),
    text(object, "handler") || text(object, "spec.runtimeHandler"), // v1alpha1
    age(object, context),
  ],
};

export const flowSchemaTable: KindTable = {
  columns: columns("NAME PRIORITYLEVEL MATCHINGPRECEDENCE DISTINGUISHERMETHOD AGE MISSINGPL"),
  row: (object, context) => {
    const dangling = list(object, "status.conditions").find((each) => text(each, "type") === "Dangling");
    return [
      name(object),
      text(object, "spec.priorityLevelConfiguration.name"),
      count(object, "spec.matchingPrecedence"),
      text(object, "spec.distinguisherMethod.type", "<none>"),
      age(object, context),
      dangling === undefined ? "?" : text(dangling, "status"),
    ];
  },
  compare: (a, b) => Number(count(a, "spec.matchingPrecedence")) - Number(count(b, "spec.matchingPrecedence")),
};

export const priorityLevelTable: KindTable = {
  columns: columns("NAME TYPE NOMINALCONCURRENCYSHARES QUEUES HANDSIZE QUEUELENGTHLIMIT AGE"),
  row: (object, context) => {
    const limited = field(object, "spec", "limited") ?? null;
    const queuing = field(limited, "limitResponse", "queuing") ?? null;
    const shares = text(limited, "nominalConcurrencyShares") || text(limited, "assuredConcurrencyShares", "<none>");
    return [
      name(object),
      text(object, "spec.type"),
      shares,
      text(queuing, "queues", "<none>"),
      text(queuing, "handSize", "<none>"),
      text(queuing, "queueLengthLimit", "<none>"),
      age(object, context),
    ];
  },
};

export const certificateSigningRequestTable: KindTable = {
  columns: columns("NAME AGE SIGNERNAME REQUESTOR REQUESTEDDURATION CONDITION"),
  row: (object, context) => {
    const has = (type: string) => list(object, "status.conditions").some((each) => text(each, "type") === type);
    const status = [has("Denied") ? "Denied" : has("Approved") ? "Approved" : "Pending"];
    if (has("Failed")) status.push("Failed");
    if (text(object, "status.certificate") !== "") status.push("Issued");
    const seconds = text(object, "spec.expirationSeconds");
    return [
      name(object),
      age(object, context),
      text(object, "spec.signerName", "<none>"),
      text(object, "spec.username"),
      seconds === "" ? "<none>" : humanDuration(Number(seconds) * 1000),
      status.join(","),
    ];
  },
};

export const clusterTrustBundleTable: KindTable = {
  columns: columns("NAME SIGNERNAME"),
  row: (object) => [name(object), text(object, "spec.signerName", "<none>")],
};

export const storageVersionTable: KindTable = {
  columns: columns("NAME COMMONENCODINGVERSION STORAGEVERSIONS AGE"),
  row: (object, context) => {
    const versions = list(object, "status.storageVersions");
    const shown = versions.slice(0, 3).map((each) => `${text(each, "apiServerID")}=${text(each, "encodingVersion")}`);
    const more = versions.length > 3 ? ` + ${versions.length - 3} more...` : "";
    return [
      name(object),
      text(object, "status.commonEncodingVersion", "<unset>"),
      shown.join(",") + more || "<unset>",
      age(object, context),
    ];
  },
};
