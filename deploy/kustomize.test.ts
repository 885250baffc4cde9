/** The kustomizations, as `kubectl kustomize` renders them. */
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { parseAllDocuments } from "yaml";
import { findProgram } from "../test/programs.ts";

const KUBECTL = findProgram("sid", "kubectl");

interface Rendered {
  readonly kind: string;
  readonly metadata: { readonly name: string };
  readonly spec?: {
    readonly template: {
      readonly spec: {
        readonly volumes: readonly { readonly name: string }[];
        readonly containers: readonly {
          readonly command?: readonly string[];
          readonly args?: readonly string[];
          readonly volumeMounts: readonly { readonly name: string; readonly mountPath: string }[];
        }[];
      };
    };
  };
}

function rendered(folder: string): Rendered[] {
  const text = execFileSync(KUBECTL ?? "kubectl", ["kustomize", join(import.meta.dirname, folder)], {
    encoding: "utf8",
  });
  return parseAllDocuments(text).map((each) => each.toJS() as Rendered);
}

describe.skipIf(KUBECTL === undefined)("kubectl kustomize", () => {
  test.each(["checkpointer", "checkpointer-with-backup", "backup"])(
    "renders %s, and every mount has its volume",
    (folder) => {
      const { spec } = rendered(folder).find(({ kind }) => kind === "DaemonSet")?.spec?.template ?? { spec: undefined };
      const volumes = spec?.volumes.map(({ name }) => name).sort();
      const mounts = spec?.containers.flatMap(({ volumeMounts }) => volumeMounts.map(({ name }) => name)).sort();
      expect(mounts?.length).toBeGreaterThan(0);
      expect(volumes).toEqual(mounts);
    },
  );

  test("the node agent with the backup agent has all that both have", () => {
    const alone = rendered("checkpointer");
    const both = rendered("checkpointer-with-backup");
    expect(both.map(({ kind, metadata }) => `${kind} ${metadata.name}`)).toEqual(
      alone.map(({ kind, metadata }) => `${kind} ${metadata.name}`),
    );
    const of = (all: readonly Rendered[]) =>
      all.find(({ kind }) => kind === "DaemonSet")?.spec?.template.spec.containers[0];
    const backup = of(rendered("backup"));
    const paths = (one: ReturnType<typeof of>) => one?.volumeMounts.map(({ mountPath }) => mountPath) ?? [];
    expect(of(both)?.command).toEqual([...(of(alone)?.command ?? []), "--backup-config=/etc/kubemend/backup.yaml"]);
    expect(paths(of(both))).toEqual(expect.arrayContaining([...paths(of(alone)), ...paths(backup)]));
  });
});
