/**
 * The TARGETS of a HorizontalPodAutoscaler. It is mostly stored as autoscaling/v1, which has one target of its own and
 * keeps the others in annotations, in the form of v2beta1. Source: pkg/printers/internalversion, formatHPAMetrics;
 * pkg/apis/autoscaling/v1, conversion.
 */

import { defined } from "../../errors/defined.ts";
import type { JsonValue, KubeObject } from "../../kube/object.ts";
import { field, isObject, list, text } from "./field.ts";

const SHOWN = 2;
/** More than anybody scales by. */
const MOST_METRICS = 1000;

export function targetsText(autoscaler: KubeObject): string {
  const specs = metricsOf(autoscaler, "spec.metrics", "autoscaling.alpha.kubernetes.io/metrics", targetCpu(autoscaler));
  const current = metricsOf(
    autoscaler,
    "status.currentMetrics",
    "autoscaling.alpha.kubernetes.io/current-metrics",
    currentCpu(autoscaler),
  );
  if (specs.length === 0) return "<none>";
  const shown = specs.slice(0, SHOWN).map((spec, i) => targetText(spec, current[i]));
  const more = specs.length > SHOWN ? ` + ${specs.length - SHOWN} more...` : "";
  return shown.join(", ") + more;
}

/** Metrics in their own field (v2), or in an annotation and a field for the CPU (v1). */
function metricsOf(
  autoscaler: KubeObject,
  path: string,
  annotation: string,
  cpu: JsonValue | undefined,
): readonly JsonValue[] {
  const own = list(autoscaler, path);
  if (own.length > 0) return own;
  const metrics = parseMetrics(text(autoscaler, ["metadata", "annotations", annotation]));
  return (cpu === undefined ? metrics : [...metrics, cpu]).slice(0, MOST_METRICS);
}

/** The JSON list in an annotation; anything else reads as none, as the API server has it. */
function parseMetrics(annotation: string): readonly JsonValue[] {
  try {
    const parsed: unknown = JSON.parse(annotation);
    return Array.isArray(parsed) ? parsed.slice(0, MOST_METRICS) : [];
  } catch {
    return [];
  }
}

function targetCpu(autoscaler: KubeObject): JsonValue | undefined {
  const target = field(autoscaler, "spec", "targetCPUUtilizationPercentage");
  return target === undefined
    ? undefined
    : { type: "Resource", resource: { name: "cpu", targetAverageUtilization: target } };
}

function currentCpu(autoscaler: KubeObject): JsonValue | undefined {
  const current = field(autoscaler, "status", "currentCPUUtilizationPercentage");
  return current === undefined
    ? undefined
    : { type: "Resource", resource: { name: "cpu", currentAverageUtilization: current } };
}

const SOURCES: Readonly<Record<string, string>> = {
  External: "external",
  Pods: "pods",
  Object: "object",
  Resource: "resource",
  ContainerResource: "containerResource",
};

/** `CURRENT/TARGET`, with the resource's name where there is one. */
function targetText(spec: JsonValue, status: JsonValue | undefined): string {
  const type = text(spec, "type");
  const member = SOURCES[type];
  if (member === undefined) return "<unknown type>";
  const source = field(spec, member) ?? null;
  const now = isObject(status) ? (field(status, member) ?? null) : null;
  const target = (what: string) => read(source, "target", what);
  const current = (what: string) => read(now, "current", what) || "<unknown>";
  if (type === "Pods") return `${current("averageValue")}/${target("averageValue")}`;
  if (type === "Resource" || type === "ContainerResource") {
    const name = text(source, "name");
    if (target("averageValue") !== "") return `${name}: ${current("averageValue")}/${target("averageValue")}`;
    const utilization = read(now, "current", "averageUtilization");
    const wanted = target("averageUtilization");
    return `${name}: ${utilization === "" ? "<unknown>" : `${utilization}%`}/${wanted === "" ? "<auto>" : `${wanted}%`}`;
  }
  if (target("averageValue") !== "") return `${current("averageValue")}/${target("averageValue")} (avg)`;
  return `${current("value")}/${target("value")}`;
}

/** v2: `target.averageValue`; v2beta1 and the annotations: `targetAverageValue`. */
function read(source: JsonValue, group: "target" | "current", what: string): string {
  const flat = group + defined(what[0]).toUpperCase() + what.slice(1);
  return text(source, `${group}.${what}`) || text(source, flat);
}
