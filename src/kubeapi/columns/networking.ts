/** Rows of services, endpoints, ingresses and policies. Source: pkg/printers/internalversion. */
import type { JsonValue, KubeObject } from "../../kube/object.ts";
import { since } from "./age.ts";
import { field, list, plainText, text } from "./field.ts";
import { columns, type KindTable, type RowContext } from "./kind-table.ts";
import { labelsText, selectorText } from "./selector-text.ts";
import { classNameCell } from "./storage.ts";

const name = (object: KubeObject) => object.metadata.name;
const age = (object: KubeObject, { now }: RowContext) => since(object.metadata.creationTimestamp, now);

export const serviceTable: KindTable = {
  columns: columns("NAME TYPE CLUSTER-IP EXTERNAL-IP PORT(S) AGE | SELECTOR"),
  row: (object, context) => [
    name(object),
    text(object, "spec.type"),
    text(list(object, "spec.clusterIPs")[0], []) || text(object, "spec.clusterIP", "<none>"),
    externalIp(object),
    list(object, "spec.ports").map(portText).join(",") || "<none>",
    age(object, context),
    labelsText(field(object, "spec", "selector")),
  ],
};

function portText(port: JsonValue): string {
  const node = text(port, "nodePort", "0");
  return `${text(port, "port", "0")}${node === "0" ? "" : `:${node}`}/${text(port, "protocol")}`;
}

function externalIp(service: KubeObject): string {
  const external = list(service, "spec.externalIPs").map(plainText);
  const type = text(service, "spec.type");
  if (type === "ExternalName") return text(service, "spec.externalName");
  if (type === "ClusterIP" || type === "NodePort") return external.join(",") || "<none>";
  if (type !== "LoadBalancer") return "<unknown>";
  const balancer = balancerText(service);
  return [...(balancer === "" ? [] : [balancer]), ...external].join(",") || "<pending>";
}

/** Addresses of the load balancer, each once, sorted. The API server never cuts them: it makes all tables wide. */
function balancerText(object: KubeObject): string {
  const ingress = list(object, "status.loadBalancer.ingress");
  const addresses = ingress.map((each) => text(each, "ip") || text(each, "hostname")).filter((each) => each !== "");
  return [...new Set(addresses)].sort().join(",");
}

export const endpointsTable: KindTable = {
  columns: columns("NAME ENDPOINTS AGE"),
  row: (object, context) => [name(object), endpointsText(object), age(object, context)],
};

const SHOWN = 3;

function endpointsText(endpoints: KubeObject): string {
  const subsets = list(endpoints, "subsets");
  if (subsets.length === 0) return "<none>";
  const shown: string[] = [];
  let total = 0;
  for (const subset of subsets) {
    const addresses = list(subset, "addresses");
    const ports = list(subset, "ports");
    for (const port of ports.length === 0 ? [undefined] : ports) {
      total += addresses.length;
      for (const address of addresses.slice(0, SHOWN - shown.length)) {
        const ip = text(address, "ip");
        if (port === undefined) shown.push(ip);
        else shown.push(`${ip.includes(":") ? `[${ip}]` : ip}:${text(port, "port", "0")}`);
      }
    }
  }
  return moreText(shown, total);
}

function moreText(shown: readonly string[], total: number): string {
  return shown.join(",") + (total > SHOWN ? ` + ${total - SHOWN} more...` : "");
}

export const endpointSliceTable: KindTable = {
  columns: columns("NAME ADDRESSTYPE PORTS ENDPOINTS AGE"),
  row: (object, context) => {
    const ports = list(object, "ports").map((port) => text(port, "port") || plainText(field(port, "name") ?? "*"));
    const addresses = list(object, "endpoints").flatMap((each) => list(each, "addresses").map(plainText));
    return [
      name(object),
      text(object, "addressType"),
      moreText(ports.slice(0, SHOWN), ports.length) || "<unset>",
      moreText(addresses.slice(0, SHOWN), addresses.length) || "<unset>",
      age(object, context),
    ];
  },
};

export const ingressTable: KindTable = {
  columns: columns("NAME CLASS HOSTS ADDRESS PORTS AGE"),
  row: (object, context) => [
    name(object),
    text(object, "spec.ingressClassName", "<none>"),
    hostsText(list(object, "spec.rules")),
    balancerText(object),
    list(object, "spec.tls").length > 0 ? "80, 443" : "80",
    age(object, context),
  ],
};

function hostsText(rules: readonly JsonValue[]): string {
  const hosts: string[] = [];
  let more = false;
  for (const rule of rules) {
    if (hosts.length === SHOWN) more = true;
    const host = text(rule, "host");
    if (!more && host !== "") hosts.push(host);
  }
  if (hosts.length === 0) return "*";
  return hosts.join(",") + (more ? ` + ${rules.length - SHOWN} more...` : "");
}

export const ingressClassTable: KindTable = {
  columns: columns("NAME CONTROLLER PARAMETERS AGE"),
  row: (object, context) => {
    const parameters = field(object, "spec", "parameters");
    const group = text(parameters, "apiGroup");
    const kind = group === "" ? text(parameters, "kind") : `${text(parameters, "kind")}.${group}`;
    return [
      classNameCell(object),
      text(object, "spec.controller"),
      parameters === undefined ? "<none>" : `${kind}/${text(parameters, "name")}`,
      age(object, context),
    ];
  },
};

export const networkPolicyTable: KindTable = {
  columns: columns("NAME POD-SELECTOR AGE"),
  row: (object, context) => [name(object), selectorText(field(object, "spec", "podSelector")), age(object, context)],
};

export const serviceCidrTable: KindTable = {
  columns: columns("NAME CIDRS AGE"),
  row: (object, context) => [name(object), list(object, "spec.cidrs").map(plainText).join(","), age(object, context)],
};

export const ipAddressTable: KindTable = {
  columns: columns("NAME PARENTREF"),
  row: (object) => {
    const parent = field(object, "spec", "parentRef");
    if (parent === undefined) return [name(object), "<none>"];
    const group = text(parent, "group");
    const resource = group === "" ? text(parent, "resource") : `${text(parent, "resource")}.${group}`;
    const namespace = text(parent, "namespace");
    return [
      name(object),
      [resource.toLowerCase(), ...(namespace === "" ? [] : [namespace]), text(parent, "name")].join("/"),
    ];
  },
};
