/** Which other objects an object names, found and renamed by one walk. Source: the reference fields of k8s.io/api. */
import { isObject, listOf, mapObjects, objectOf, textOf } from "../kube/fields.ts";
import type { JsonObject, JsonValue, KubeObject } from "../kube/object.ts";
import type { ObjectId } from "./object-id.ts";

/** Gets each reference, and returns it as it should be: another name or namespace, or the same. */
export type ReferenceVisitor = (reference: ObjectId) => ObjectId;

const PATH_OF_KIND: Readonly<Record<string, string>> = {
  ClusterRole: "clusterroles",
  CronJob: "cronjobs",
  DaemonSet: "daemonsets",
  Deployment: "deployments",
  Job: "jobs",
  ReplicaSet: "replicasets",
  ReplicationController: "controllers",
  Role: "roles",
  StatefulSet: "statefulsets",
};

/** The object with each reference replaced by what the visitor returns. Owner references are not among them. */
export function visitReferences(object: KubeObject, path: string, visit: ReferenceVisitor): KubeObject {
  const { namespace } = object.metadata;
  const walk = new Walk(namespace, visit);
  const spec = objectOf(object.spec);
  const withSpec = (changed: JsonObject) => (isObject(object.spec) ? { ...object, spec: changed } : object);
  switch (path) {
    case "pods":
      return withSpec(walk.podSpec(spec));
    case "deployments":
    case "daemonsets":
    case "replicasets":
    case "controllers":
    case "jobs":
      return withSpec(walk.template(spec));
    case "podtemplates":
      return { ...object, ...walk.template(object) } as KubeObject;
    case "statefulsets":
      return withSpec(
        mapObjects(
          walk.name(walk.template(spec), "serviceName", "services/specs"),
          "volumeClaimTemplates",
          (claim) => ({
            ...claim,
            spec: walk.claim(objectOf(claim.spec)),
          }),
        ),
      );
    case "cronjobs": {
      const template = objectOf(spec.jobTemplate);
      return withSpec({ ...spec, jobTemplate: { ...template, spec: walk.template(objectOf(template.spec)) } });
    }
    case "persistentvolumeclaims":
      return withSpec(walk.claim(walk.name(spec, "volumeName", "persistentvolumes", undefined)));
    case "persistentvolumes":
      return withSpec(walk.volume(spec));
    case "horizontalpodautoscalers": {
      const target = objectOf(spec.scaleTargetRef);
      const targetPath = PATH_OF_KIND[textOf(target.kind)];
      return targetPath === undefined
        ? object
        : withSpec({ ...spec, scaleTargetRef: walk.name(target, "name", targetPath) });
    }
    case "ingress":
      return withSpec(walk.ingress(spec));
    case "rolebindings":
    case "clusterrolebindings":
      return walk.binding(object);
    case "serviceaccounts":
      return walk.names(walk.names(object, "secrets", "secrets"), "imagePullSecrets", "secrets") as KubeObject;
    case "apiregistration.k8s.io/apiservices":
      return withSpec(walk.service(spec, "service"));
    case "mutatingwebhookconfigurations":
    case "validatingwebhookconfigurations":
      return mapObjects(object, "webhooks", (hook) => ({
        ...hook,
        clientConfig: walk.service(objectOf(hook.clientConfig), "service"),
      })) as KubeObject;
    default:
      return object;
  }
}

/** What an object refers to, each once. */
export function referencesOf(object: KubeObject, path: string): ObjectId[] {
  const found = new Map<string, ObjectId>();
  visitReferences(object, path, (reference) => {
    found.set(`${reference.path} ${reference.namespace ?? ""} ${reference.name}`, reference);
    return reference;
  });
  return [...found.values()];
}

/** The pod template of a workload, or undefined. */
export function podTemplateOf(object: KubeObject, path: string): JsonObject | undefined {
  const spec = objectOf(object.spec);
  if (path === "pods") return object;
  if (path === "cronjobs") return objectOf(objectOf(objectOf(spec.jobTemplate).spec).template);
  return isObject(spec.template) ? spec.template : undefined;
}

class Walk {
  readonly #namespace: string | undefined;
  readonly #visit: ReferenceVisitor;

  constructor(namespace: string | undefined, visit: ReferenceVisitor) {
    this.#namespace = namespace;
    this.#visit = visit;
  }

  /** A field that holds a name. `namespace`: undefined for what belongs to none. */
  name<T extends JsonObject>(owner: T, field: string, path: string, ...scope: [namespace?: string | undefined]): T {
    const name = textOf(owner[field]);
    if (name === "") return owner;
    const namespace = scope.length === 0 ? this.#namespace : scope[0];
    const changed = this.#visit({ path, namespace, name });
    return changed.name === name ? owner : { ...owner, [field]: changed.name };
  }

  /** A list of `{ name }`. */
  names(owner: JsonObject, field: string, path: string): JsonObject {
    return mapObjects(owner, field, (each) => this.name(each, "name", path));
  }

  /** A field that holds an object with a name. */
  under(owner: JsonObject, field: string, nameField: string, path: string): JsonObject {
    if (!isObject(owner[field])) return owner;
    return { ...owner, [field]: this.name(owner[field], nameField, path) };
  }

  /** A `{ namespace, name }` of a Service. */
  service(owner: JsonObject, field: string): JsonObject {
    return this.reference(owner, field, "services/specs");
  }

  /** A `{ namespace, name }`. */
  reference(owner: JsonObject, field: string, path: string): JsonObject {
    const found = owner[field];
    if (!isObject(found) || textOf(found.name) === "" || textOf(found.namespace) === "") return owner;
    const changed = this.#visit({ path, namespace: textOf(found.namespace), name: textOf(found.name) });
    return { ...owner, [field]: { ...found, name: changed.name, namespace: changed.namespace } };
  }

  template(spec: JsonObject): JsonObject {
    const template = spec.template;
    if (!isObject(template)) return spec;
    return { ...spec, template: { ...template, spec: this.podSpec(objectOf(template.spec)) } };
  }

  podSpec(spec: JsonObject): JsonObject {
    let changed = this.name(spec, "serviceAccountName", "serviceaccounts");
    changed = this.name(changed, "serviceAccount", "serviceaccounts");
    changed = this.names(changed, "imagePullSecrets", "secrets");
    changed = this.name(changed, "priorityClassName", "priorityclasses", undefined);
    changed = this.name(changed, "runtimeClassName", "runtimeclasses", undefined);
    changed = mapObjects(changed, "volumes", (volume) => this.#volume(volume));
    for (const list of ["initContainers", "containers", "ephemeralContainers"]) {
      changed = mapObjects(changed, list, (container) => this.#container(container));
    }
    return changed;
  }

  #volume(volume: JsonObject): JsonObject {
    let changed = this.under(volume, "secret", "secretName", "secrets");
    changed = this.under(changed, "configMap", "name", "configmaps");
    changed = this.under(changed, "persistentVolumeClaim", "claimName", "persistentvolumeclaims");
    if (isObject(changed.projected)) {
      const projected = mapObjects(changed.projected, "sources", (source) =>
        this.under(this.under(source, "secret", "name", "secrets"), "configMap", "name", "configmaps"),
      );
      changed = { ...changed, projected };
    }
    for (const [source, field] of [
      ["csi", "nodePublishSecretRef"],
      ["flexVolume", "secretRef"],
      ["cephfs", "secretRef"],
      ["rbd", "secretRef"],
      ["iscsi", "secretRef"],
      ["scaleIO", "secretRef"],
      ["storageos", "secretRef"],
      ["cinder", "secretRef"],
    ] as const) {
      const body = changed[source];
      if (isObject(body)) changed = { ...changed, [source]: this.under(body, field, "name", "secrets") };
    }
    changed = this.under(changed, "azureFile", "secretName", "secrets");
    changed = this.under(changed, "glusterfs", "endpoints", "services/endpoints");
    const template = objectOf(objectOf(changed.ephemeral).volumeClaimTemplate);
    if (!isObject(template.spec)) return changed;
    const made = { ...template, spec: this.claim(template.spec) };
    return { ...changed, ephemeral: { ...objectOf(changed.ephemeral), volumeClaimTemplate: made } };
  }

  /** The spec of a claim. Its source of data may be another claim of the namespace. */
  claim(spec: JsonObject): JsonObject {
    let changed = this.name(spec, "storageClassName", "storageclasses", undefined);
    for (const field of ["dataSource", "dataSourceRef"]) {
      const source = objectOf(changed[field]);
      if (source.kind !== "PersistentVolumeClaim" || textOf(source.apiGroup) !== "" || textOf(source.namespace) !== "")
        continue;
      changed = this.under(changed, field, "name", "persistentvolumeclaims");
    }
    return changed;
  }

  /** The spec of a volume: Secrets that its driver takes are named with their namespace. */
  volume(spec: JsonObject): JsonObject {
    let changed = this.name(spec, "storageClassName", "storageclasses", undefined);
    for (const source of [
      "csi",
      "azureFile",
      "cephfs",
      "cinder",
      "flexVolume",
      "iscsi",
      "rbd",
      "scaleIO",
      "storageos",
    ]) {
      if (!isObject(changed[source])) continue;
      let body: JsonObject = changed[source];
      for (const field of Object.keys(body).filter((each) => /(?:^s|S)ecretRef$/.test(each)))
        body = this.reference(body, field, "secrets");
      if (source === "azureFile") body = this.#azureSecret(body);
      changed = { ...changed, [source]: body };
    }
    return changed;
  }

  #azureSecret(body: JsonObject): JsonObject {
    const [name, namespace] = [textOf(body.secretName), textOf(body.secretNamespace)];
    if (name === "" || namespace === "") return body;
    const changed = this.#visit({ path: "secrets", namespace, name });
    return { ...body, secretName: changed.name, secretNamespace: changed.namespace };
  }

  #container(container: JsonObject): JsonObject {
    const withFrom = mapObjects(container, "envFrom", (entry) =>
      this.under(this.under(entry, "secretRef", "name", "secrets"), "configMapRef", "name", "configmaps"),
    );
    return mapObjects(withFrom, "env", (variable) => {
      if (!isObject(variable.valueFrom)) return variable;
      const from = this.under(variable.valueFrom, "secretKeyRef", "name", "secrets");
      return { ...variable, valueFrom: this.under(from, "configMapKeyRef", "name", "configmaps") };
    });
  }

  ingress(spec: JsonObject): JsonObject {
    const backend = (value: JsonValue | undefined): JsonObject | undefined => {
      if (!isObject(value)) return undefined;
      return this.under(this.name(value, "serviceName", "services/specs"), "service", "name", "services/specs");
    };
    let changed = this.name(spec, "ingressClassName", "ingressclasses", undefined);
    changed = mapObjects(changed, "tls", (each) => this.name(each, "secretName", "secrets"));
    for (const field of ["backend", "defaultBackend"]) {
      const found = backend(changed[field]);
      if (found !== undefined) changed = { ...changed, [field]: found };
    }
    return mapObjects(changed, "rules", (rule) => {
      if (!isObject(rule.http)) return rule;
      const http = mapObjects(rule.http, "paths", (path) => {
        const found = backend(path.backend);
        return found === undefined ? path : { ...path, backend: found };
      });
      return { ...rule, http };
    });
  }

  binding(object: KubeObject): KubeObject {
    const role = objectOf(object.roleRef);
    const isCluster = textOf(role.kind) === "ClusterRole";
    const roleRef = this.name(
      role,
      "name",
      isCluster ? "clusterroles" : "roles",
      isCluster ? undefined : this.#namespace,
    );
    const subjects = listOf(object.subjects).map((subject) => {
      if (!isObject(subject) || textOf(subject.kind) !== "ServiceAccount") return subject;
      const namespace = textOf(subject.namespace) || this.#namespace;
      const changed = this.#visit({ path: "serviceaccounts", namespace, name: textOf(subject.name) });
      return {
        ...subject,
        name: changed.name,
        ...(changed.namespace !== undefined && { namespace: changed.namespace }),
      };
    });
    return { ...object, roleRef, ...(Array.isArray(object.subjects) && { subjects }) };
  }
}
