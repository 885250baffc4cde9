/** Which secrets and config maps a pod needs before it can start, with the keys where only some are asked for. */

import type { DataKind } from "./data-object.ts";
import { objectOf, objectsOf, textOf } from "./fields.ts";
import type { JsonObject } from "./object.ts";

export interface DataReference {
  readonly kind: DataKind;
  readonly name: string;
  /** The keys that must be there; empty when any will do. */
  readonly keys: readonly string[];
  /** True where the pod starts without it. */
  readonly optional: boolean;
  /** Where the pod refers to it, such as `volume "secrets"`. */
  readonly place: string;
}

export function dataReferences(podSpec: JsonObject): DataReference[] {
  const references: DataReference[] = [];
  for (const volume of objectsOf(podSpec.volumes)) {
    const place = `volume "${textOf(volume.name)}"`;
    references.push(...sourceReferences(volume, place, "secretName"));
    for (const source of objectsOf(objectOf(volume.projected).sources)) {
      references.push(...sourceReferences(source, place, "name"));
    }
  }
  for (const container of [...objectsOf(podSpec.initContainers), ...objectsOf(podSpec.containers)]) {
    for (const entry of objectsOf(container.envFrom)) {
      const place = `environment of container "${textOf(container.name)}"`;
      for (const [field, kind] of [
        ["secretRef", "Secret"],
        ["configMapRef", "ConfigMap"],
      ] as const) {
        const name = textOf(objectOf(entry[field]).name);
        if (name !== "") references.push({ kind, name, keys: [], optional: isOptional(entry[field]), place });
      }
    }
    for (const variable of objectsOf(container.env)) {
      const from = objectOf(variable.valueFrom);
      const place = `environment variable "${textOf(variable.name)}" of container "${textOf(container.name)}"`;
      for (const [field, kind] of [
        ["secretKeyRef", "Secret"],
        ["configMapKeyRef", "ConfigMap"],
      ] as const) {
        const { name, key } = objectOf(from[field]);
        if (textOf(name) === "") continue;
        references.push({ kind, name: textOf(name), keys: [textOf(key)], optional: isOptional(from[field]), place });
      }
    }
  }
  return references;
}

function sourceReferences(source: JsonObject, place: string, secretNameField: "secretName" | "name"): DataReference[] {
  const references: DataReference[] = [];
  for (const [field, kind, nameField] of [
    ["secret", "Secret", secretNameField],
    ["configMap", "ConfigMap", "name"],
  ] as const) {
    const body = objectOf(source[field]);
    const name = textOf(body[nameField]);
    if (name === "") continue;
    const keys = objectsOf(body.items).map((item) => textOf(item.key));
    references.push({ kind, name, keys, optional: body.optional === true, place });
  }
  return references;
}

function isOptional(reference: JsonObject[string]): boolean {
  return objectOf(reference).optional === true;
}
