/** `snapshot get` prints what kubectl prints in each output format: kubectl asks `serve` about the same file. */
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { FIXTURES } from "../kubectl-tables.ts";
import { kubemend } from "../kubemend.ts";
import { findProgram } from "../programs.ts";
import { serveFile, type TestServer } from "../serving.ts";

const FILE = join(FIXTURES, "k120-broad", "snapshot.db.gz");

const WANTED: readonly (readonly string[])[] = [
  ["pods", "-A", "-o", 'jsonpath={range .items[*]}{.metadata.name}{"\\t"}{.spec.nodeName}{"\\n"}{end}'],
  ["pods", "-A", "-o", "jsonpath={.items[*].spec.containers[*].image}"],
  ["pods", "-A", "-o", "jsonpath={..image}"],
  ["deployments", "-A", "-o", "jsonpath={.items[0].spec}"],
  ["deployments", "-A", "-o", "jsonpath={.items[*]['metadata','spec'].name}"],
  ["nodes", "-o", 'jsonpath={.items[*].status.conditions[?(@.type=="Ready")].status}'],
  ["services", "-A", "-o", "jsonpath={.items[*].spec.ports[0].port} and {.items[0].metadata.nothing}."],
  ["namespace", "kube-system", "-o", "jsonpath={.metadata.name}{'\\n'}"],
  [
    "pods",
    "-A",
    "-o",
    "custom-columns=NAME:.metadata.name,NODE:.spec.nodeName,IMAGES:.spec.containers[*].image,NO:.no",
  ],
  [
    "deployments",
    "-A",
    "-o",
    "custom-columns=NAME:.metadata.name,LABELS:.metadata.labels,N:.spec.replicas",
    "--no-headers",
  ],
  ["pods", "-A", "-o", "custom-columns=NAME:metadata.name", "--sort-by", ".metadata.name"],
  ["pods", "-A", "-o", "name", "--sort-by", ".metadata.creationTimestamp"],
  ["services", "-A", "-o", "name", "--sort-by", "{.spec.clusterIP}"],
  [
    "persistentvolumes",
    "-o",
    "custom-columns=N:.metadata.name,S:.spec.capacity.storage",
    "--sort-by=.spec.capacity.storage",
  ],
  ["pods", "-A", "-o", 'go-template={{range .items}}{{.metadata.name}} {{.spec.nodeName}}{{"\\n"}}{{end}}'],
  ["nodes", "-o", "go-template={{range .items}}{{.metadata.labels}}{{.no}}{{end}}"],
  [
    "deployments",
    "-A",
    "-o",
    'go-template={{range $i, $d := .items}}{{printf "%02d %-20s" $i $d.metadata.name}}{{if gt ' +
      "$d.spec.replicas 1}} many{{else}} one{{end}}\n{{end}}",
  ],
  [
    "configmaps",
    "-A",
    "-o",
    "go-template",
    "--template",
    "{{range .items}}{{range $k, $v := .data}}{{$k}} {{len $v}};{{end}}{{end}}",
  ],
  ["pods", "-A", "-o", "name", "--field-selector", "status.phase=Pending"],
  ["pods", "-A", "-o", "name", "--field-selector", "metadata.namespace!=kube-system,spec.restartPolicy=Always"],
  ["secrets", "-A", "-o", "name", "--field-selector", "type=kubernetes.io/service-account-token"],
  ["pod", "there-is-none", "--ignore-not-found"],
  ["pods", "-A", "-o", "jsonpath={.items[*]['metadata.name','status.phase']}"],
  ["pods", "-A", "-o", "jsonpath={.items [0].metadata.name}{range .items[0:3]}[{.metadata.name}]{end}"],
  ["pods", "-A", "-o", "jsonpath-as-json={.items[0:2].metadata.name}"],
  ["pods", "-A", "-o", "jsonpath-as-json={.items[0].metadata.labels}"],
  ["pods", "-A", "-o", "jsonpath={.items[::2].metadata.name} {.items[-2:].metadata.name} {.items[0:10:3].kind}"],
  ["pods", "-A", "--template", "{{.kind}}"],
  ["pods", "-A", "-o", "template={{(len .items)}} {{printf `%d %s %5s|%-5s|` (len .items) .kind `a` `b`}}"],
  [
    "pods",
    "-A",
    "-o",
    'go-template={{define "t"}}<{{.}}>{{end}}{{range .items}}{{template "t" .metadata.name}}{{end}}',
  ],
  ["pods", "-A", "-o", 'go-template={{block "t" .kind}}[{{.}}]{{end}}{{template "t"}}'],
  [
    "pods",
    "-A",
    "-o",
    "go-template={{range $i, $x := .items}}{{if gt $i 5}}{{break}}{{end}}{{if eq $i 2}}{{continue}}{{end}}{{$i}}{{end}}",
  ],
  [
    "pods",
    "-A",
    "-o",
    'go-template={{html "<a href=\'x\'>"}}{{js "it\'s <b>\\n"}}{{print 1 2 .kind 3 true}}{{println .kind 1}}',
  ],
  ["pods", "-A", "-o", "go-template={{0x10}} {{0b11}} {{1_000}} {{printf `%d %d %s %q` .kind 1}}"],
  ["po,svc", "-n", "default", "--no-headers", "-o", "custom-columns=N:.metadata.name"],
  ["pods", "-n", "nowhere", "-o", "custom-columns=A:.metadata.name"],
  ["ns", "-o", "name", "--show-kind"],
  ["pods", "-A", "-o", "jsonpath={range .items[0:3]}{.metadata.name}-{.kind};"],
  ["pods", "-A", "-o", "jsonpath={range .items[0:3]}{.metadata.name}{range .spec.containers[*]}-{.name};"],
  ["pods", "-A", "-o", "jsonpath={range .items[0:2]}{@.metadata.name}{$.kind}{end}"],
  ["pods", "-A", "-o", "jsonpath={.items[*]  .metadata.name}{.items[?(1==1)].kind}{.items[?(true)].kind}"],
  ["pods", "-A", "-o", "jsonpath={.items[?('a'=='b')].kind}{.items[?(\"web\"==@.metadata.labels.app)].metadata.name}"],
  ["pods", "-A", "-o", "jsonpath={.items[?(@.metadata.name==@.metadata.labels.app)].metadata.name}"],
  ["deployments", "-A", "-o", "jsonpath={.items[?(2<@.spec.replicas)].metadata.name}"],
  ["pods", "-A", "-o", "jsonpath={.nope}{.items[*].nope}", "--allow-missing-template-keys=true"],
  ["pods", "-A", "-o", "go-template={{.nope.x}}{{index . `nope`}}", "--allow-missing-template-keys"],
  ["deploy/web", "svc/nothing", "-n", "shop", "--ignore-not-found"],
  ["deploy/web", "svc/web", "-n", "shop"],
  ["deploy,svc", "web", "-n", "shop"],
  ["deploy/web", "svc/nothing", "-n", "shop", "--ignore-not-found", "--show-kind"],
  ["deploy/web", "svc/nothing", "-n", "shop", "--ignore-not-found", "-o", "name"],
  ["pods,services", "-n", "shop", "--no-headers"],
  ["pods,services", "-n", "shop", "-L", "app,tier", "--show-labels", "-o", "wide"],
  ["pods,services", "-n", "shop", "-o", "custom-columns=K:.kind,N:.metadata.name,X:.spec.nodeName"],
  ["pods,services", "-n", "nowhere", "--ignore-not-found"],
  ["nodes,configmaps", "-A", "-o", "wide"],
  ["all", "-n", "shop", "-o", "name"],
  ["ns", "-o", 'go-template={{printf "%+v %#v %T %T %5.2f %e %x %t" 1 .kind .kind 1.5 3.14159 12345.678 255 true}}'],
];

/** What kubectl refuses is not answered with something else. */
const REFUSED: readonly (readonly string[])[] = [
  ["pods", "-A", "-o", "jsonpath={.items[999].metadata.name}"],
  ["pods", "-A", "-o", "jsonpath={.items[0:999].metadata.name}"],
  ["pods", "-A", "-o", "jsonpath={.items[5:2].metadata.name}"],
  ["pods", "-A", "-o", "jsonpath={.items[0:6:0].kind}"],
  ["pods", "-A", "-o", "jsonpath={.items[::00].kind}"],
  ["pods", "-A", "-o", "jsonpath={.items[?(@.a==)].x}"],
  ["pods", "-A", "-o", "jsonpath={.items[?(@.metadata.name=~'x')].metadata.name}"],
  ["pods", "-A", "-o", "go-template={{index .items 999}}"],
  ["configmaps", "-A", "-o", "go-template={{range .items}}{{range .data}}{{. | base64decode}}{{end}}{{end}}"],
  ["pods", "-A", "-o", "go-template={{template `none`}}"],
  ["pods", "-A", "-o", "go-template={{break}}"],
  ["pods", "-A", "-o", "custom-columns=A:.metadata.name,"],
  ["pods", "-A", "--sort-by=.nothing", "-o", "name"],
  ["pods", "-A", "--sort-by=.metadata.labels", "-o", "name"],
  ["pods", "-A", "--sort-by={", "-o", "name"],
  ["pods", "-A", "-o", "jsonpath={.nope}", "--allow-missing-template-keys=false"],
  ["pods", "-A", "-o", "jsonpath={.items[*].nope}", "--allow-missing-template-keys=false"],
  ["pods", "-A", "-o", "go-template={{range .items}}{{.nope}}{{end}}", "--allow-missing-template-keys=false"],
  ["pods", "-A", "-o", "jsonpath={.items[?(@.metadata.name==1)].metadata.name}"],
  ["deployments", "-A", "-o", 'jsonpath={.items[?(@.spec.replicas>"1")].metadata.name}'],
  ["pods", "-A", "-o", "jsonpath={.items[?(@.kind && @.spec)].kind}"],
  ["pods", "-A", "-o", "go-template={{if eq .kind 1}}x{{end}}"],
  ["pods", "-A", "-o", "go-template={{and}}"],
  ["pods", "-A", "-o", "go-template={{nil}}"],
  ["deploy", "web", "-n", "shop", "-l", "app=web"],
  ["deploy/web", "-n", "shop", "-l", "app=web"],
  ["deploy", "web", "-n", "shop", "--field-selector", "metadata.name=web"],
  ["deploy/web", "svc/web", "-n", "shop", "--field-selector", "metadata.name=web"],
];

describe.skipIf(findProgram("sid", "kubectl") === undefined)("output formats", () => {
  let server: TestServer;
  beforeAll(async () => {
    server = await serveFile(FILE);
  });
  afterAll(() => server.stop());

  test.each(WANTED.map((args) => [args.join(" "), args] as const))("%s", async (_, args) => {
    const theirs = await server.kubectl("sid", "get", ...args);
    const ours = await kubemend(process.cwd(), ["snapshot", "get", FILE, ...args, "-q"]);
    expect(theirs.code).toBe(0);
    const inOrder = (text: string) => (args.some((each) => /--sort-by|\{\.\./.test(each)) ? sorted(text) : text);
    expect({ code: ours.code, stdout: inOrder(ours.stdout) }).toEqual({ code: 0, stdout: inOrder(theirs.stdout) });
  });
});

describe.skipIf(findProgram("sid", "kubectl") === undefined)("what kubectl refuses", () => {
  let server: TestServer;
  beforeAll(async () => {
    server = await serveFile(FILE);
  });
  afterAll(() => server.stop());

  test.each(REFUSED.map((args) => [args.join(" "), args] as const))("%s", async (_, args) => {
    const theirs = await server.kubectl("sid", "get", ...args);
    const ours = await kubemend(process.cwd(), ["snapshot", "get", FILE, ...args, "-q"]);
    expect(theirs.code).not.toBe(0);
    expect({ code: ours.code, stderr: ours.stderr }).toEqual({ code: 2, stderr: expect.stringMatching(/^error: /) });
  });
});

describe.skipIf(findProgram("sid", "kubectl") === undefined)("describe", () => {
  let server: TestServer;
  beforeAll(async () => {
    server = await serveFile(FILE);
  });
  afterAll(() => server.stop());

  test.each([["clusterthings"], ["clusterthings", "--show-events"], ["leftovers", "-A"], ["widget/large", "-n", "fx"]])(
    "%s %s %s",
    async (...args) => {
      const theirs = await server.kubectl("sid", "describe", ...args);
      const ours = await kubemend(process.cwd(), ["snapshot", "describe", FILE, ...args, "-q"]);
      expect({ code: ours.code, stdout: ours.stdout }).toEqual({ code: 0, stdout: theirs.stdout });
    },
  );
});

/**
 * What has the same value has no order in kubectl, nor have the fields of a map: the words are compared, and the order
 * in print.test.ts.
 */
function sorted(text: string): readonly string[] {
  return text.split(/\s+/).sort();
}
