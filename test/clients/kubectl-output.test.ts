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
