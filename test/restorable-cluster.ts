/** A stand-in API server that takes and gives back ConfigMaps, for `objects restore`. */
import type { JsonObject, KubeObject } from "../src/kube/object.ts";
import { ApiServerStandIn, type StandInAnswer } from "./api-server-stand-in.ts";

const RESOURCES = [
  { name: "configmaps", kind: "ConfigMap", namespaced: true },
  { name: "namespaces", kind: "Namespace", namespaced: false },
  { name: "persistentvolumes", kind: "PersistentVolume", namespaced: false },
  { name: "persistentvolumeclaims", kind: "PersistentVolumeClaim", namespaced: true },
].map((each) => ({ ...each, singularName: "", verbs: ["create", "delete", "get", "list", "update"] }));

const DISCOVERY: Readonly<Record<string, JsonObject>> = {
  "/api": { kind: "APIVersions", versions: ["v1"] },
  "/apis": { kind: "APIGroupList", apiVersion: "v1", groups: [] },
  "/api/v1": { kind: "APIResourceList", groupVersion: "v1", resources: RESOURCES },
};

/** What an API server says of the kinds that it has; undefined for every other path. */
export function discovery(path: string): StandInAnswer | undefined {
  const body = DISCOVERY[path];
  return body === undefined ? undefined : { status: 200, body };
}

/** An object as the cluster has it once kubemend has created it. */
export function createdObject(body: JsonObject): KubeObject {
  const object = body as KubeObject;
  const managedFields = [{ manager: "kubemend", operation: "Update", time: new Date().toISOString() }];
  return { ...object, metadata: { ...object.metadata, uid: `uid-${object.metadata.name}`, managedFields } };
}

/** Writes its kubeconfig into a directory. `changed` hears of each object before the answer. */
export async function startRestorable(
  directory: string,
  namespaces: readonly string[],
  objects: readonly KubeObject[] = [],
  changed: (what: "created" | "deleted", name: string, object?: KubeObject) => void = () => {},
): Promise<ApiServerStandIn> {
  const server = await ApiServerStandIn.start(directory, {
    version: "v1.20.2",
    objects: [
      ...namespaces.map((name) => ({ apiVersion: "v1", kind: "Namespace", metadata: { name, uid: `uid-${name}` } })),
      ...objects,
    ],
    answer({ method, path, body }) {
      if (method === "DELETE") changed("deleted", path.slice(path.lastIndexOf("/") + 1));
      if (method !== "POST" || path.endsWith("accessreviews")) return discovery(path);
      const object = createdObject(body!);
      const { namespace, name } = object.metadata;
      if (server.get(object.kind, `${namespace}/${name}`) !== undefined) {
        return {
          status: 409,
          body: { kind: "Status", apiVersion: "v1", status: "Failure", reason: "AlreadyExists", code: 409 },
        };
      }
      changed("created", name, object);
      return { status: 201, body: server.put(object) };
    },
  });
  return server;
}
