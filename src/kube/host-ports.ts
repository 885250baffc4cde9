/** Ports that pods declare on the host's network. */

import { mapObjects, objectOf, objectsOf, textOf, without } from "./fields.ts";
import type { JsonObject } from "./object.ts";

type Value = JsonObject[string];

/** Fields of a container that may name one of its ports. */
const PORT_USERS = ["livenessProbe", "readinessProbe", "startupProbe", "lifecycle"];

/**
 * A pod without the ports that it reserves on its node. On the host's network a port in the list reserves it and does
 * nothing else: while one pod has it, the scheduler puts no other there that declares it (NodePorts), and the kubelet
 * turns such a pod away. A stand-in must leave that place to the pod that it stands in for. Probes and hooks that name
 * a port get its number. A pod that is not on the host's network stays as it is.
 */
export function withoutHostPorts(podSpec: JsonObject): JsonObject {
  if (podSpec.hostNetwork !== true) return podSpec;
  return mapObjects(mapObjects(podSpec, "initContainers", withoutPorts), "containers", withoutPorts);
}

/** A container without its list of ports, of which probes and hooks that name one get the number. */
export function withoutPorts(container: JsonObject): JsonObject {
  const numbers = new Map(objectsOf(container.ports).map((port) => [textOf(port.name), port.containerPort]));
  const users = PORT_USERS.filter((field) => container[field] !== undefined);
  const numbered = users.map((field) => [field, withNumbers(container[field], numbers)]);
  return { ...without(container, ["ports"]), ...Object.fromEntries(numbered) };
}

function withNumbers(value: Value, numbers: ReadonlyMap<string, Value>): Value {
  if (Array.isArray(value)) return (value as Value[]).map((each) => withNumbers(each, numbers) ?? null);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(objectOf(value)).map(([name, each]) => {
      const number = name === "port" && typeof each === "string" ? numbers.get(each) : undefined;
      return [name, number ?? withNumbers(each, numbers)];
    }),
  );
}
