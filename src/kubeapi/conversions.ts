/** The conversions between versions whose fields have other names. Source: pkg/apis/GROUP/VERSION/conversion.go of each. */
import type { JsonObject, JsonValue, KubeObject } from "../kube/object.ts";
import { entries, field, isObject, list, text } from "./columns/field.ts";

type Rule = (object: KubeObject) => KubeObject | undefined;

const record = (value: JsonValue | undefined): JsonObject => (isObject(value) ? value : {});

function without(object: JsonObject, ...names: readonly string[]): JsonObject {
  return Object.fromEntries(Object.entries(object).filter(([name]) => !names.includes(name)));
}

const withoutUndefined = (fields: JsonObject): JsonObject =>
  Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));

/** v1 has schema, columns and subresources in each version, and calls a column's path `jsonPath`. */
function definitionToV1(object: KubeObject): KubeObject {
  const spec = record(object.spec);
  const shared = { schema: spec.validation, subresources: spec.subresources, columns: spec.additionalPrinterColumns };
  const stored = list(spec, "versions");
  const versions = stored.length > 0 ? stored : [{ name: text(spec, "version"), served: true, storage: true }];
  const conversion = record(spec.conversion);
  const { webhookClientConfig, conversionReviewVersions } = conversion;
  return {
    ...object,
    spec: withoutUndefined({
      ...without(spec, "version", "validation", "subresources", "additionalPrinterColumns"),
      preserveUnknownFields: spec.preserveUnknownFields === false ? undefined : (spec.preserveUnknownFields ?? true),
      versions: versions.map((each) => {
        const version = record(each);
        const columns = version.additionalPrinterColumns ?? shared.columns;
        return withoutUndefined({
          ...version,
          schema: version.schema ?? shared.schema,
          subresources: version.subresources ?? shared.subresources,
          additionalPrinterColumns: Array.isArray(columns)
            ? columns.map((column) => renameField(record(column as JsonValue), "JSONPath", "jsonPath"))
            : undefined,
        });
      }),
      conversion: withoutUndefined({
        strategy: conversion.strategy ?? "None",
        webhook:
          webhookClientConfig === undefined && conversionReviewVersions === undefined
            ? undefined
            : withoutUndefined({ clientConfig: webhookClientConfig, conversionReviewVersions }),
      }),
    }),
  };
}

function renameField(object: JsonObject, from: string, to: string): JsonObject {
  return Object.fromEntries(Object.entries(object).map(([name, value]) => [name === from ? to : name, value]));
}

/** The annotations that carry what autoscaling/v1 has no fields for. */
const METRICS = "autoscaling.alpha.kubernetes.io/metrics";
const CURRENT_METRICS = "autoscaling.alpha.kubernetes.io/current-metrics";
const CONDITIONS = "autoscaling.alpha.kubernetes.io/conditions";
const BEHAVIOR = "autoscaling.alpha.kubernetes.io/behavior";

function autoscalerFromV1(object: KubeObject): KubeObject | undefined {
  const { annotations = {} } = object.metadata;
  const carried = (name: string): JsonValue | undefined => {
    const value = annotations[name];
    return value === undefined ? undefined : (JSON.parse(value) as JsonValue);
  };
  let metrics: JsonValue[];
  let current: JsonValue[];
  let conditions: JsonValue | undefined;
  let behavior: JsonValue | undefined;
  try {
    metrics = (carried(METRICS) as JsonValue[] | undefined)?.map(metricSpec) ?? [];
    current = (carried(CURRENT_METRICS) as JsonValue[] | undefined)?.map(metricStatus) ?? [];
    conditions = carried(CONDITIONS);
    behavior = lowerFirst(carried(BEHAVIOR));
  } catch {
    return undefined; // annotations that are no JSON
  }
  const spec = record(object.spec);
  const status = record(object.status);
  const target = spec.targetCPUUtilizationPercentage;
  const resource = (key: string, value: JsonValue): JsonObject => ({
    type: "Resource",
    resource: { name: "cpu", [key]: value },
  });
  if (target !== undefined && target !== null)
    metrics.push(resource("target", { type: "Utilization", averageUtilization: target }));
  const utilization = status.currentCPUUtilizationPercentage;
  if (utilization !== undefined && utilization !== null && !current.some(isCpu))
    current.unshift(resource("current", { averageUtilization: utilization, averageValue: "0" }));
  const kept = Object.entries(annotations).filter(
    ([name]) => ![METRICS, CURRENT_METRICS, CONDITIONS, BEHAVIOR].includes(name),
  );
  return {
    ...object,
    metadata: without(
      { ...object.metadata, annotations: kept.length > 0 ? Object.fromEntries(kept) : undefined },
      ...(kept.length > 0 ? [] : ["annotations"]),
    ) as KubeObject["metadata"],
    spec: withoutUndefined({
      ...without(spec, "targetCPUUtilizationPercentage"),
      metrics: metrics.length > 0 ? metrics : undefined,
      behavior,
    }),
    status: withoutUndefined({
      ...without(status, "currentCPUUtilizationPercentage"),
      currentMetrics: current.length > 0 ? current : null,
      conditions: conditions ?? status.conditions ?? null,
    }),
  };
}

/** This annotation is written from a type without JSON names: its fields begin with capitals. */
function lowerFirst(value: JsonValue | undefined): JsonValue | undefined {
  if (Array.isArray(value)) return value.map((each) => lowerFirst(each as JsonValue) ?? null);
  if (!isObject(value)) return value;
  const named = Object.entries(value).map(([name, each]) => [
    name.charAt(0).toLowerCase() + name.slice(1),
    lowerFirst(each),
  ]);
  return Object.fromEntries(named) as JsonObject;
}

const isCpu = (metric: JsonValue): boolean => text(metric, "resource.name") === "cpu";

/** The annotations are of the shape of v2beta1: targets beside the metric. */
function metricSpec(metric: JsonValue): JsonValue {
  const of = record(metric);
  const type = text(metric, "type");
  const name = type.charAt(0).toLowerCase() + type.slice(1);
  const source = record(of[name]);
  const target = (value: string, average: string): JsonObject =>
    source[average] !== undefined
      ? { type: "AverageValue", averageValue: source[average] }
      : { type: "Value", value: source[value] };
  switch (type) {
    case "Resource":
      return {
        type,
        resource: {
          name: source.name,
          target:
            source.targetAverageUtilization !== undefined
              ? { type: "Utilization", averageUtilization: source.targetAverageUtilization }
              : { type: "AverageValue", averageValue: source.targetAverageValue },
        },
      };
    case "ContainerResource":
      return {
        type,
        containerResource: {
          name: source.name,
          container: source.container,
          target:
            source.targetAverageUtilization !== undefined
              ? { type: "Utilization", averageUtilization: source.targetAverageUtilization }
              : { type: "AverageValue", averageValue: source.targetAverageValue },
        },
      };
    case "Pods":
      return {
        type,
        pods: {
          metric: withoutUndefined({ name: source.metricName, selector: source.selector }),
          target: { type: "AverageValue", averageValue: source.targetAverageValue },
        },
      };
    case "Object":
      return {
        type,
        object: {
          describedObject: source.target,
          target: target("targetValue", "averageValue"),
          metric: withoutUndefined({ name: source.metricName, selector: source.selector }),
        },
      };
    case "External":
      return {
        type,
        external: {
          metric: withoutUndefined({ name: source.metricName, selector: source.metricSelector }),
          target: target("targetValue", "targetAverageValue"),
        },
      };
    default:
      return metric;
  }
}

function metricStatus(metric: JsonValue): JsonValue {
  const of = record(metric);
  const type = text(metric, "type");
  const name = type.charAt(0).toLowerCase() + type.slice(1);
  const source = record(of[name]);
  const identifier = {
    metric: withoutUndefined({ name: source.metricName, selector: source.selector ?? source.metricSelector }),
  };
  switch (type) {
    case "Resource":
      return {
        type,
        resource: {
          name: source.name,
          current: withoutUndefined({
            averageValue: source.currentAverageValue,
            averageUtilization: source.currentAverageUtilization,
          }),
        },
      };
    case "ContainerResource":
      return {
        type,
        containerResource: {
          name: source.name,
          container: source.container,
          current: withoutUndefined({
            averageValue: source.currentAverageValue,
            averageUtilization: source.currentAverageUtilization,
          }),
        },
      };
    case "Pods":
      return { type, pods: { ...identifier, current: { averageValue: source.currentAverageValue } } };
    case "Object":
      return {
        type,
        object: {
          ...identifier,
          current: withoutUndefined({ value: source.currentValue, averageValue: source.averageValue }),
          describedObject: source.target,
        },
      };
    case "External":
      return {
        type,
        external: {
          ...identifier,
          current: withoutUndefined({ value: source.currentValue, averageValue: source.currentAverageValue }),
        },
      };
    default:
      return metric;
  }
}

/** Topology became fields of their own; what is left of it is called deprecated. */
function endpointSliceToV1(object: KubeObject): KubeObject {
  return {
    ...object,
    endpoints: list(object, "endpoints").map((each) => {
      const endpoint = record(each);
      const topology = Object.fromEntries(entries(endpoint, "topology"));
      const zone = topology["topology.kubernetes.io/zone"];
      const nodeName = endpoint.nodeName ?? topology["kubernetes.io/hostname"];
      const rest = without(topology, "topology.kubernetes.io/zone", "kubernetes.io/hostname");
      return withoutUndefined({
        ...without(endpoint, "topology"),
        nodeName,
        zone,
        deprecatedTopology: Object.keys(rest).length > 0 ? rest : undefined,
      });
    }),
  };
}

/** The view that events.k8s.io has of core events. */
function eventToGroup(object: KubeObject): KubeObject {
  const { involvedObject, message, source, firstTimestamp, lastTimestamp, count, ...others } = object as JsonObject;
  const { reportingComponent, reportingInstance: _reportingInstance, ...rest } = others;
  return {
    ...(rest as KubeObject),
    ...withoutUndefined({
      eventTime: object.eventTime ?? null,
      reportingController: reportingComponent === "" ? undefined : reportingComponent,
      reportingInstance: object.reportingInstance === "" ? undefined : object.reportingInstance,
      regarding: involvedObject,
      note: message,
      deprecatedSource: source,
      deprecatedFirstTimestamp: firstTimestamp ?? null,
      deprecatedLastTimestamp: lastTimestamp ?? null,
      deprecatedCount: count,
    }),
  };
}

function ingressToV1(object: KubeObject): KubeObject {
  const backend = (value: JsonValue | undefined): JsonValue | undefined => {
    if (!isObject(value)) return value;
    const { serviceName, servicePort, ...rest } = value;
    if ((serviceName === undefined || serviceName === "") && (servicePort === undefined || servicePort === 0))
      return rest;
    const port = typeof servicePort === "string" ? { name: servicePort } : { number: servicePort };
    return { service: { name: serviceName, port }, ...rest };
  };
  const spec = record(object.spec);
  const rules = list(spec, "rules").map((each) => {
    const rule = record(each);
    if (!isObject(rule.http)) return rule;
    const paths = list(rule, "http.paths").map((path) => ({
      ...record(path),
      pathType: field(path, "pathType") ?? "ImplementationSpecific",
      backend: backend(field(path, "backend")),
    }));
    return { ...rule, http: { ...rule.http, paths } };
  });
  return {
    ...object,
    spec: withoutUndefined({
      ...without(spec, "backend", "rules"),
      defaultBackend: backend(spec.backend),
      rules: spec.rules === undefined ? undefined : rules,
    }),
  };
}

/** By kind, the version that is stored, and the version that is asked for. */
export const CONVERSIONS: ReadonlyMap<string, Rule> = new Map([
  ["CustomResourceDefinition apiextensions.k8s.io/v1beta1 apiextensions.k8s.io/v1", definitionToV1],
  ["HorizontalPodAutoscaler autoscaling/v1 autoscaling/v2", autoscalerFromV1],
  ["HorizontalPodAutoscaler autoscaling/v1 autoscaling/v2beta2", autoscalerFromV1],
  ["EndpointSlice discovery.k8s.io/v1beta1 discovery.k8s.io/v1", endpointSliceToV1],
  ["Event v1 events.k8s.io/v1", eventToGroup],
  ["Event v1 events.k8s.io/v1beta1", eventToGroup],
  ["Ingress networking.k8s.io/v1beta1 networking.k8s.io/v1", ingressToV1],
  ["Ingress extensions/v1beta1 networking.k8s.io/v1", ingressToV1],
]);
