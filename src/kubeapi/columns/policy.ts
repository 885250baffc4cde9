/** Rows of accounts, secrets, roles, admission and what else guards a cluster. Source: pkg/printers/internalversion. */
import type { JsonValue, KubeObject } from "../../kube/object.ts";
import { since } from "./age.ts";
import { entries, field, list, plainText, text } from "./field.ts";
import { columns, type KindTable, type RowContext } from "./kind-table.ts";

const name = (object: KubeObject) => object.metadata.name;
const age = (object: KubeObject, { now }: RowContext) => since(object.metadata.creationTimestamp, now);

export const configMapTable: KindTable = {
  columns: columns("NAME DATA AGE"),
  row: (object, context) => [
    name(object),
    String(entries(object, "data").length + entries(object, "binaryData").length),
    age(object, context),
  ],
};

export const secretTable: KindTable = {
  columns: columns("NAME TYPE DATA AGE"),
  row: (object, context) => [
    name(object),
    text(object, "type"),
    String(entries(object, "data").length),
    age(object, context),
  ],
};

export const serviceAccountTable: KindTable = {
  columns: columns("NAME AGE"),
  row: (object, context) => [name(object), age(object, context)],
};

export const roleBindingTable: KindTable = {
  columns: columns("NAME ROLE AGE | USERS GROUPS SERVICEACCOUNTS"),
  row: (object, context) => {
    const subjects = list(object, "subjects");
    const names = (kind: string, of: (subject: JsonValue) => string = (subject) => text(subject, "name")) =>
      subjects
        .filter((subject) => text(subject, "kind") === kind)
        .map(of)
        .join(", ");
    return [
      name(object),
      `${text(object, "roleRef.kind")}/${text(object, "roleRef.name")}`,
      age(object, context),
      names("User"),
      names("Group"),
      names("ServiceAccount", (subject) => `${text(subject, "namespace")}/${text(subject, "name")}`),
    ];
  },
};

/** Kinds that the API server prints with its default: the name, and when it was made. */
export const createdAtTable: KindTable = {
  columns: columns("NAME CREATED_AT"),
  row: (object) => [name(object), text(object, "metadata.creationTimestamp", "<unknown>")],
};

export const webhookConfigurationTable: KindTable = {
  columns: columns("NAME WEBHOOKS AGE"),
  row: (object, context) => [name(object), String(list(object, "webhooks").length), age(object, context)],
};

function paramKind(object: KubeObject): string {
  const kind = field(object, "spec", "paramKind");
  return kind === undefined ? "<unset>" : `${text(kind, "apiVersion")}/${text(kind, "kind")}`;
}

export const validatingAdmissionPolicyTable: KindTable = {
  columns: columns("NAME VALIDATIONS PARAMKIND AGE"),
  row: (object, context) => [
    name(object),
    String(list(object, "spec.validations").length),
    paramKind(object),
    age(object, context),
  ],
};

export const mutatingAdmissionPolicyTable: KindTable = {
  columns: columns("NAME MUTATIONS PARAMKIND AGE"),
  row: (object, context) => [
    name(object),
    String(list(object, "spec.mutations").length),
    paramKind(object),
    age(object, context),
  ],
};

export const admissionPolicyBindingTable: KindTable = {
  columns: columns("NAME POLICYNAME PARAMREF AGE"),
  row: (object, context) => {
    const param = text(object, "spec.paramRef.name");
    return [
      name(object),
      text(object, "spec.policyName"),
      param === "" ? "<unset>" : `${text(object, "spec.paramRef.namespace", "*")}/${param}`,
      age(object, context),
    ];
  },
};

export const podSecurityPolicyTable: KindTable = {
  columns: columns("NAME PRIV CAPS SELINUX RUNASUSER FSGROUP SUPGROUP READONLYROOTFS VOLUMES"),
  row: (object) => [
    name(object),
    text(object, "spec.privileged", "false"),
    list(object, "spec.allowedCapabilities").map(plainText).join(","),
    text(object, "spec.seLinux.rule"),
    text(object, "spec.runAsUser.rule"),
    text(object, "spec.fsGroup.rule"),
    text(object, "spec.supplementalGroups.rule"),
    text(object, "spec.readOnlyRootFilesystem", "false"),
    list(object, "spec.volumes").map(plainText).join(","),
  ],
};

export const nameAgeTable: KindTable = {
  columns: columns("NAME AGE"),
  row: (object, context) => [name(object), age(object, context)],
};

export const resourceClaimTable: KindTable = {
  columns: columns("NAME STATE AGE"),
  row: (object, context) => {
    const deleted = object.metadata.deletionTimestamp !== undefined;
    const states = deleted ? ["deleted"] : [];
    if (field(object, "status", "allocation") !== undefined) {
      states.push("allocated");
      if (list(object, "status.reservedFor").length > 0) states.push("reserved");
    } else if (!deleted) states.push("pending");
    return [name(object), states.join(","), age(object, context)];
  },
};

export const resourceSliceTable: KindTable = {
  columns: columns("NAME NODE DRIVER POOL AGE"),
  row: (object, context) => [
    name(object),
    text(object, "spec.nodeName"),
    text(object, "spec.driver"),
    text(object, "spec.pool.name"),
    age(object, context),
  ],
};

export const storageVersionMigrationTable: KindTable = {
  columns: columns("NAME RESOURCE"),
  row: (object) => [
    name(object),
    `${text(object, "spec.resource.resource")}.${text(object, "spec.resource.version")}.${text(object, "spec.resource.group")}`,
  ],
};
