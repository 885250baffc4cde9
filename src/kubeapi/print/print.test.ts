import { expect, test } from "vitest";
import { MendError } from "../../errors/errors.ts";
import type { KubeObject } from "../../kube/object.ts";
import { customRow, parseCustomColumns, parseCustomColumnsFile } from "./custom-columns.ts";
import { describeObject, tabbedText } from "./describe.ts";
import { parseGoTemplate } from "./go-template/parse.ts";
import { printGoTemplate } from "./go-template/run.ts";
import { goText } from "./go-text.ts";
import { parseJsonPathTemplate, printJsonPathTemplate } from "./json-path-template.ts";
import { sortBy } from "./sort-by.ts";

const pod = (name: string, node: string, cpu: string, restarts: number) => ({
  kind: "Pod",
  metadata: { name, labels: { app: "web", "a.b/c": "x" } },
  spec: { nodeName: node, containers: [{ name: "main", image: `${name}:1`, resources: { cpu } }] },
  status: { phase: "Running", restarts, conditions: [{ type: "Ready", status: "True" }] },
});
const list = { kind: "List", items: [pod("web-10", "n2", "250m", 3), pod("web-9", "n1", "1", 20)] };

test.each([
  ["{.items[*].metadata.name}", "web-10 web-9"],
  ['{range .items[*]}{.metadata.name}{"\\t"}{.spec.nodeName}{"\\n"}{end}', "web-10\tn2\nweb-9\tn1\n"],
  ["{.items[0].metadata.labels.a\\.b/c}", "x"],
  ["{.items[*]['metadata.name', 'status.phase']}", "web-10 web-9 Running Running"],
  ["{.items[0].metadata.labels['a.b/c']} {.items [0].metadata.labels['app']}", "x web"],
  [
    "{.items[0]['kind','spec']}",
    'Pod {"containers":[{"image":"web-10:1","name":"main","resources":{"cpu":"250m"}}],"nodeName":"n2"}',
  ],
  ["{.items[0,1].metadata.name}", "web-10 web-9"],
  ["{..image}", "web-10:1 web-9:1"],
  ["{..containers[0].name}", "main main"],
  ['{.items[?(@.spec.nodeName=="n1")].metadata.name}', "web-9"],
  ["{.items[?(@.status.restarts>10)].metadata.name}", "web-9"],
  ["name: {.items[1].metadata.name}!", "name: web-9!"],
  ["{.items[0].nothing}", ""],
  ["{$.kind}", "List"],
  ["{range .items[*]}{@.metadata.name}:{$.metadata.name} {end}", "web-10:web-10 web-9:web-9 "],
  ["{range .items[*]}{.metadata.name};", "web-10;web-9;;"],
  ["{range .items[*]}{.metadata.name}{range .spec.containers[*]}-{.name},{end}", "web-10-main,web-9-main,"],
  ["{.items[*]  .metadata.name}", "web-10 web-9"],
  ["{'a'}b{\"c\\u0041\\x42\"}{1.50}{-3}", "abcAB1.5-3"],
  ["{.items[?(1==1)].metadata.name}", "web-10 web-9"],
  ["{.items[?('a'=='b')].metadata.name}", ""],
  ["{.items[?(true)].metadata.name}", "web-10 web-9"],
  ['{.items[?("n1"==@.spec.nodeName)].metadata.name}', "web-9"],
  ["{.items[?(10<@.status.restarts)].metadata.name}", "web-9"],
  ["{.items[?(@.spec.nodeName==@.spec.nodeName)].metadata.name}", "web-10 web-9"],
  ["{.items[?(@.spec.nodeName!=@.spec.nothing)].metadata.name}", ""],
  ["{.items[?(@.metadata.name=='a)]b')].metadata.name}", ""],
  ["{.items[-1:].metadata.name}", "web-9"],
  [".metadata.name", ".metadata.name"],
  ["{range .items[*]}{range .spec.containers[*]}{.name},{end};{end}", "main,;main,;"],
])("jsonpath %s", (template, expected) => {
  expect(printJsonPathTemplate(parseJsonPathTemplate(template), list)).toBe(expected);
});

test.each([
  ["{.items[?(@.metadata.name==1)].kind}", 'compares "web-10" with 1'],
  ["{.items[?(@.metadata.name==true)].kind}", 'compares "web-10" with true'],
  ["{.items[?(@.metadata==@.spec)].kind}", "compares {"],
  ["{.items[?(@..name=='main')].kind}", "compares "],
])("jsonpath that compares what cannot be compared: %s", (template, message) => {
  expect(() => printJsonPathTemplate(parseJsonPathTemplate(template), list)).toThrow(message);
});

test.each(["{.nothing}", "{.items[*].nothing}", "{.items[0]['nothing']}", "{range .nothing}{end}"])(
  "without missing keys: %s",
  (template) => {
    const parsed = parseJsonPathTemplate(template);
    expect(printJsonPathTemplate(parsed, list)).toBe("");
    expect(() => printJsonPathTemplate(parsed, list, false)).toThrow('the field "nothing", which is not there');
  },
);

test.each([
  ...["{.items[?(@.a && @.b)].x}", "{.items[?(@.a || @.b)].x}", "{.items[?(!@.a)].x}", "{.items[?(@.a==)].x}"],
  "{.items[?(@.a=~'x')].x}",
])("a filter that cannot be read: %s", (template) => {
  expect(() => parseJsonPathTemplate(template)).toThrow("is not a path");
});

test.each(["{.a", "{end}", "{'a\\z'}", "{.a[}"])("jsonpath that cannot be read: %s", (template) => {
  expect(() => parseJsonPathTemplate(template)).toThrow(MendError);
});

test("custom columns", () => {
  const columns = parseCustomColumns(
    "NAME:.metadata.name,NODE:{.spec.nodeName},NO:.x,L:metadata.labels,C:.spec.containers[0,1].name",
  );
  expect(columns.map(({ header }) => header)).toEqual(["NAME", "NODE", "NO", "L", "C"]);
  expect(customRow(columns, list.items[0]!)).toEqual(["web-10", "n2", "<none>", "map[a.b/c:x app:web]", "main"]);
  const [first] = parseCustomColumnsFile("NAME   NODE\n.metadata.name  .spec.nodeName\n");
  expect(first?.header).toBe("NAME");
  expect(() => parseCustomColumns("NAME")).toThrow("is not NAME:PATH");
  expect(() => parseCustomColumnsFile("NAME NODE\n.metadata.name")).toThrow("as many paths");
});

test.each([
  [".metadata.name", ["web-10", "web-9"]],
  ["{.spec.nodeName}", ["web-9", "web-10"]],
  [".status.restarts", ["web-10", "web-9"]],
  [".spec.containers[0].resources.cpu", ["web-10", "web-9"]],
])("sorted by %s", (path, expected) => {
  expect(list.items.toSorted(sortBy(path)).map(({ metadata }) => metadata.name)).toEqual(expected);
});

test.each([
  ['{{range .items}}{{.metadata.name}}{{"\\n"}}{{end}}', "web-10\nweb-9\n"],
  ["{{range $i, $pod := .items}}{{$i}}={{$pod.metadata.name}} {{end}}", "0=web-10 1=web-9 "],
  ["{{with index .items 0}}{{.metadata.name}}{{end}}", "web-10"],
  ['{{index (index .items 0).metadata.labels "a.b/c"}}', "x"],
  ["{{.nothing}}", "<no value>"],
  ["{{if .nothing}}a{{else if .kind}}b{{else}}c{{end}}", "b"],
  ["{{len .items}}", "2"],
  ["{{range .none}}x{{else}}none{{end}}", "none"],
  ['{{range .items}}{{if eq .spec.nodeName "n1"}}{{.metadata.name}}{{end}}{{end}}', "web-9"],
  ['{{printf "%-6s|%03d|%q" .kind 7 "a"}}', 'List  |007|"a"'],
  ['{{"YWJj" | base64decode}}', "abc"],
  ["{{- /* a comment */ -}} x {{- .kind -}}  y", "xListy"],
  ["{{$x := .kind}}{{$x}} {{(index .items 1).status.restarts}}", "List 20"],
  ["{{range $k, $v := (index .items 0).metadata.labels}}{{$k}}={{$v}};{{end}}", "a.b/c=x;app=web;"],
  ['{{if and .kind (not .none) (gt 3 2)}}yes{{end}}{{or .none "no"}}', "yesno"],
  ['{{.items | len | printf "%d items"}}', "2 items"],
])("go-template %s", (template, expected) => {
  expect(printGoTemplate(parseGoTemplate(template), list)).toBe(expected);
});

test.each([
  "{{.a",
  "{{end}}",
  "{{if .a}}",
  "{{)}}",
  "{{define x}}{{end}}",
  '{{define "x"}}',
  "{{break}}",
  "{{template}}",
  "{{else}}",
])("go-template that cannot be read: %s", (template) => {
  expect(() => parseGoTemplate(template)).toThrow(MendError);
});

test("a function that there is not, and a field of a text", () => {
  expect(() => printGoTemplate(parseGoTemplate("{{frobnicate .kind}}"), list)).toThrow('no function "frobnicate"');
  expect(() => printGoTemplate(parseGoTemplate("{{.kind.name}}"), list)).toThrow("has no fields");
});

test.each([
  [0.1, "0.1"],
  [1e-7, "1e-07"],
  [123456789.12345679, "1.2345678912345679e+08"],
  [12345.5, "12345.5"],
  [1e20, "1e+20"],
  [10000000, "10000000"],
  [2n ** 60n, "1152921504606846976"],
  [[1, "a", null], "[1 a <nil>]"],
  [{ b: true, a: {} }, "map[a:map[] b:true]"],
])("%s as Go prints it", (value, expected) => {
  expect(goText(value)).toBe(expected);
});

test("an object described with its events, the newest last", () => {
  const event = (reason: string, count: number, lastTimestamp: string, message: string) => ({
    apiVersion: "v1",
    kind: "Event",
    metadata: { name: reason },
    involvedObject: { fieldPath: "spec.containers{main}" },
    type: "Warning",
    reason,
    count,
    firstTimestamp: "2026-11-29T09:00:00Z",
    lastTimestamp,
    message,
    source: { component: "kubelet" },
  });
  const object = {
    apiVersion: "example.com/v1",
    kind: "Widget",
    metadata: {
      name: "w",
      namespace: "shop",
      labels: { b: "2", a: "1" },
      annotations: { note: "one\ntwo", "kubectl.kubernetes.io/last-applied-configuration": "{}" },
      uid: "u",
    },
    spec: { podCIDRs: ["10.0.0.0/24"], replicas: 2, "a.b": "x\ty", httpURL: "http://x" },
  };
  const now = Date.parse("2026-11-29T10:00:00Z");
  const events = [
    event("BackOff", 12, "2026-11-29T09:59:00Z", "Back-off restarting\n"),
    event("Pulled", 1, "2026-11-29T09:00:00Z", "pulled"),
  ];
  expect(tabbedText(describeObject(object, events, now), (text) => text.length)).toBe(`\
Name:         w
Namespace:    shop
Labels:       a=1
              b=2
Annotations:  note:
                one
                two
API Version:  example.com/v1
Kind:         Widget
Metadata:
  UID:  u
Spec:
  a.b:       x\\ty
  Http URL:  http://x
  Pod CIDRs:
    10.0.0.0/24
  Replicas:  2
Events:
  Type     Reason   Age                 From     Message
  ----     ------   ----                ----     -------
  Warning  Pulled   60m                 kubelet  spec.containers{main}: pulled
  Warning  BackOff  60s (x12 over 60m)  kubelet  spec.containers{main}: Back-off restarting
`);
});

test("keys of a built-in kind stay as they are, and a text of several lines takes several", () => {
  const configMap = {
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: { name: "conf", namespace: "shop" },
    data: { mode: "fast", "my-key": "a", "app.conf": "Name: x\n\tb\n", "x\ny": "1" },
  };
  const deployment = {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name: "web", namespace: "shop" },
    spec: { selector: { matchLabels: { app: "web" } }, resources: { limits: { "ephemeral-storage": "1Gi" } } },
    limits: [{ type: "Pod" }],
  };
  const shown = (object: KubeObject) => tabbedText(describeObject(object, undefined, 0), (text) => text.length);
  expect(shown(configMap)).toBe(`\
Name:         conf
Namespace:    shop
Labels:       <none>
Annotations:  <none>
API Version:  v1
Data:
  app.conf:
    Name: x
    \\tb
  mode:    fast
  my-key:  a
  x\\ny:    1
Kind:      ConfigMap
Metadata:
`);
  expect(shown(deployment)).toContain("Match Labels:\n      app:  web\n");
  expect(shown(deployment)).toContain("Limits:\n  Type:  Pod\n");
  expect(shown(deployment)).toContain("Limits:\n      ephemeral-storage:  1Gi\n");
});
