/** Rows of volumes, claims, classes and drivers. Source: pkg/printers/internalversion, pkg/apis/core/helper. */
import type { JsonValue, KubeObject } from "../../kube/object.ts";
import { since } from "./age.ts";
import { field, list, plainText, text } from "./field.ts";
import { columns, type KindTable, type RowContext } from "./kind-table.ts";

const name = (object: KubeObject) => object.metadata.name;
const age = (object: KubeObject, { now }: RowContext) => since(object.metadata.creationTimestamp, now);

const CLASS_ANNOTATION = "volume.beta.kubernetes.io/storage-class";
const MODES = [
  ["ReadWriteOnce", "RWO"],
  ["ReadOnlyMany", "ROX"],
  ["ReadWriteMany", "RWX"],
  ["ReadWriteOncePod", "RWOP"],
] as const;

/** Access modes in a fixed order, each once. */
function modesText(modes: readonly JsonValue[]): string {
  return MODES.filter(([mode]) => modes.includes(mode))
    .map(([, short]) => short)
    .join(",");
}

/** The annotation is older than the field, and wins. */
function storageClass(object: KubeObject): string {
  return text(object, ["metadata", "annotations", CLASS_ANNOTATION]) || text(object, "spec.storageClassName");
}

const phase = (object: KubeObject) =>
  object.metadata.deletionTimestamp === undefined ? text(object, "status.phase") : "Terminating";

export const persistentVolumeTable: KindTable = {
  columns: columns(
    "NAME CAPACITY ACCESS_MODES RECLAIM_POLICY STATUS CLAIM STORAGECLASS VOLUMEATTRIBUTESCLASS REASON AGE | VOLUMEMODE",
  ),
  row: (object, context) => {
    const claim = field(object, "spec", "claimRef");
    return [
      name(object),
      text(object, "spec.capacity.storage", "0"),
      modesText(list(object, "spec.accessModes")),
      text(object, "spec.persistentVolumeReclaimPolicy"),
      phase(object),
      claim === undefined ? "" : `${text(claim, "namespace")}/${text(claim, "name")}`,
      storageClass(object),
      text(object, "spec.volumeAttributesClassName", "<unset>"),
      text(object, "status.reason"),
      age(object, context),
      text(object, "spec.volumeMode", "<unset>"),
    ];
  },
};

export const persistentVolumeClaimTable: KindTable = {
  columns: columns("NAME STATUS VOLUME CAPACITY ACCESS_MODES STORAGECLASS VOLUMEATTRIBUTESCLASS AGE | VOLUMEMODE"),
  row: (object, context) => {
    const volume = text(object, "spec.volumeName");
    return [
      name(object),
      phase(object),
      volume,
      volume === "" ? "" : text(object, "status.capacity.storage", "0"),
      volume === "" ? "" : modesText(list(object, "status.accessModes")),
      storageClass(object),
      text(object, "spec.volumeAttributesClassName", "<unset>"),
      age(object, context),
      text(object, "spec.volumeMode", "<unset>"),
    ];
  },
};

const DEFAULT_CLASS = [
  "storageclass.kubernetes.io/is-default-class",
  "storageclass.beta.kubernetes.io/is-default-class",
  "volumeattributesclass.alpha.kubernetes.io/is-default-class",
  "ingressclass.kubernetes.io/is-default-class",
];

export function classNameCell(object: KubeObject): string {
  const isDefault = DEFAULT_CLASS.some((annotation) => object.metadata.annotations?.[annotation] === "true");
  return isDefault ? `${name(object)} (default)` : name(object);
}

export const storageClassTable: KindTable = {
  columns: columns("NAME PROVISIONER RECLAIMPOLICY VOLUMEBINDINGMODE ALLOWVOLUMEEXPANSION AGE"),
  row: (object, context) => [
    classNameCell(object),
    text(object, "provisioner"),
    text(object, "reclaimPolicy", "Delete"),
    text(object, "volumeBindingMode", "Immediate"),
    text(object, "allowVolumeExpansion", "false"),
    age(object, context),
  ],
};

export const volumeAttributesClassTable: KindTable = {
  columns: columns("NAME DRIVERNAME AGE"),
  row: (object, context) => [classNameCell(object), text(object, "driverName"), age(object, context)],
};

export const volumeAttachmentTable: KindTable = {
  columns: columns("NAME ATTACHER PV NODE ATTACHED AGE"),
  row: (object, context) => [
    name(object),
    text(object, "spec.attacher"),
    text(object, "spec.source.persistentVolumeName"),
    text(object, "spec.nodeName"),
    text(object, "status.attached", "false"),
    age(object, context),
  ],
};

export const csiNodeTable: KindTable = {
  columns: columns("NAME DRIVERS AGE"),
  row: (object, context) => [name(object), String(list(object, "spec.drivers").length), age(object, context)],
};

export const csiDriverTable: KindTable = {
  columns: columns("NAME ATTACHREQUIRED PODINFOONMOUNT STORAGECAPACITY TOKENREQUESTS REQUIRESREPUBLISH MODES AGE"),
  row: (object, context) => {
    const audiences = list(object, "spec.tokenRequests").map((each) => text(each, "audience"));
    return [
      name(object),
      text(object, "spec.attachRequired", "true"),
      text(object, "spec.podInfoOnMount", "false"),
      text(object, "spec.storageCapacity", "false"),
      field(object, "spec", "tokenRequests") === undefined ? "<unset>" : audiences.join(","),
      text(object, "spec.requiresRepublish", "false"),
      list(object, "spec.volumeLifecycleModes").map(plainText).join(",") || "<none>",
      age(object, context),
    ];
  },
};
