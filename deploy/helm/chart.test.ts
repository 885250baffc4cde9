/** The chart makes the same objects as the kustomizations and as `kubemend checkpoint manifests`, and its schema refuses what is wrong. */
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { parse, parseAllDocuments } from "yaml";
import packageJson from "../../package.json" with { type: "json" };
import { kubemend } from "../../test/kubemend.ts";
import { findProgram } from "../../test/programs.ts";
import { chartArchive } from "./archive.ts";
import { type JsonSchema, schemaFaults } from "./check-values.ts";
import {
  defaultValues,
  mergeValues,
  type RenderedObject,
  renderObjects,
  renderTemplates,
  type Values,
} from "./render.ts";

const KUBECTL = findProgram("sid", "kubectl") ?? "";
const read = (name: string): string => readFileSync(join(import.meta.dirname, name), "utf8");
const byName = (all: readonly RenderedObject[]): readonly RenderedObject[] =>
  all.toSorted((a, b) => `${a.kind} ${a.metadata.name}`.localeCompare(`${b.kind} ${b.metadata.name}`));
const objectsOf = (yaml: string): readonly RenderedObject[] =>
  byName(parseAllDocuments(yaml).map((each) => each.toJS() as RenderedObject));

describe.skipIf(KUBECTL === "")("rendered by Go's engine", () => {
  const rendered = (values: Values) => byName(renderObjects(KUBECTL, values));
  const kustomized = (folder: string) =>
    objectsOf(execFileSync(KUBECTL, ["kustomize", join(import.meta.dirname, "..", folder)], { encoding: "utf8" }));

  /** The kustomization of the backup agent leaves the pull policy to the cluster, which has the same default. */
  const withPolicy = (all: readonly RenderedObject[]) =>
    JSON.parse(
      JSON.stringify(all).replaceAll(
        '"localhost/kubemend:0.1.0"',
        '"localhost/kubemend:0.1.0","imagePullPolicy":"IfNotPresent"',
      ),
    );

  test("with its own values it is the base of the node agent", () => {
    expect(rendered({})).toEqual(kustomized("checkpointer"));
  });

  test("with the backup agent in the same process", () => {
    expect(rendered({ checkpointer: { withBackup: true } })).toEqual(kustomized("checkpointer-with-backup"));
  });

  test("the backup agent alone, and the drill", () => {
    expect(rendered({ checkpointer: { enabled: false }, backup: { enabled: true } })).toEqual(
      withPolicy(kustomized("backup")),
    );
    const drill = rendered({
      checkpointer: { enabled: false },
      drill: { enabled: true, repository: "s3://my-backups/prod" },
    });
    expect(drill).toEqual(withPolicy(objectsOf(read("../backup/drill.yaml"))));
  });

  test("other values are what the flags of `checkpoint manifests` make", async () => {
    const flags = [
      "--image=registry.example.com/kubemend:2",
      "--node-label=node-role.kubernetes.io/master",
      "--server=https://10.0.0.10:6443",
      "--protect-manifests=notice",
      "--protect-key-file=/etc/kubernetes/protect.key",
    ];
    const { stdout } = await kubemend("/", ["checkpoint", "manifests", ...flags]);
    const values = {
      image: "registry.example.com/kubemend:2",
      nodeLabel: "node-role.kubernetes.io/master",
      checkpointer: {
        server: "https://10.0.0.10:6443",
        protectManifests: "notice",
        protectKeyFile: "/etc/kubernetes/protect.key",
      },
    };
    expect(rendered(values)).toEqual(objectsOf(stdout));
  });

  test("limits, and texts with quotes, arrive as they are", () => {
    const [daemonSet] = rendered({
      checkpointer: { enabled: false },
      backup: { enabled: true, resources: { limits: { memory: "1Gi" } } },
      image: 'a"b: c\\',
    });
    expect(daemonSet).toMatchObject({
      spec: {
        template: {
          spec: {
            containers: [
              {
                image: 'a"b: c\\',
                resources: { requests: { cpu: "20m", memory: "100Mi" }, limits: { memory: "1Gi" } },
              },
            ],
          },
        },
      },
    });
  });

  test("nothing where nothing is enabled, and notes that name what was installed", () => {
    expect(rendered({ checkpointer: { enabled: false } })).toEqual([]);
    const notes = renderTemplates(KUBECTL, { backup: { enabled: true } }).get("NOTES.txt");
    expect(notes).toContain("daemonset kubemend-backup");
    expect(notes).toContain("daemonset pod-checkpointer");
  });
});

test("Chart.yaml and the image are of this version", () => {
  expect(parse(read("Chart.yaml"))).toMatchObject({ version: packageJson.version, appVersion: packageJson.version });
  expect(defaultValues().image).toBe(`localhost/kubemend:${packageJson.version}`);
});

describe("values.schema.json", () => {
  const schema = JSON.parse(read("values.schema.json")) as JsonSchema;
  const faults = (over: Values) => schemaFaults(schema, mergeValues(defaultValues(), over));

  test("takes the default values, and knows each of them", () => {
    expect(faults({})).toEqual([]);
    const names = (value: Values, at = ""): string[] =>
      Object.entries(value).flatMap(([name, each]) =>
        typeof each === "object" && name !== "requests" && name !== "limits"
          ? names(each, `${at}${name}.`)
          : [`${at}${name}`],
      );
    for (const name of names(defaultValues()))
      expect({ name, faults: faults(nested(name.split("."), { no: "such" })).length > 0 }).toEqual({
        name,
        faults: true,
      });
  });

  test.each<[string, Values]>([
    ["an unknown value", { nodeLabels: "x" }],
    ["an unknown value of an agent", { backup: { enable: true } }],
    ["a text for a switch", { backup: { enabled: "true" } }],
    ["two backup agents on one node", { checkpointer: { withBackup: true }, backup: { enabled: true } }],
    ["a drill of nothing", { drill: { enabled: true } }],
    ["an address that is none", { checkpointer: { server: "10.0.0.10" } }],
    ["another way to protect", { checkpointer: { protectManifests: "yes" } }],
    ["an amount that is none", { backup: { resources: { limits: { memory: "much" } } } }],
    ["a duration that is none", { checkpointer: { gracePeriod: "5" } }],
  ])("refuses %s", (_, over) => {
    expect(faults(over)).not.toEqual([]);
  });

  test.each<[string, Values]>([
    ["a drill", { drill: { enabled: true, repository: "/mnt/backup" } }],
    [
      "a backup agent of its own without the node agent",
      { checkpointer: { enabled: false, withBackup: true }, backup: { enabled: true } },
    ],
    ["an IPv6 address", { checkpointer: { server: "https://[fd00::1]:6443" } }],
  ])("takes %s", (_, over) => {
    expect(faults(over)).toEqual([]);
  });
});

test("the archive is what Helm installs: all files of the chart below its name", () => {
  const listed = execFileSync("tar", ["-tzf", "-"], { input: chartArchive(), encoding: "utf8" }).trim().split("\n");
  expect(listed).toEqual([
    "kubemend/Chart.yaml",
    "kubemend/templates/NOTES.txt",
    "kubemend/templates/_parts.tpl",
    "kubemend/templates/backup.yaml",
    "kubemend/templates/checkpointer.yaml",
    "kubemend/templates/drill.yaml",
    "kubemend/values.schema.json",
    "kubemend/values.yaml",
  ]);
});

function nested([first = "", ...rest]: readonly string[], value: Values): Values {
  return { [first]: rest.length === 0 ? value : nested(rest, value) };
}
