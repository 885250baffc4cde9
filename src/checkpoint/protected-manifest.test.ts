import { expect, test } from "vitest";
import {
  compareFile,
  compareManifest,
  decideProtection,
  type FileState,
  type ProtectedSight,
  readManifest,
} from "./protected-manifest.ts";

const text = (value: string) => Buffer.from(value);
const POD = `apiVersion: v1
kind: Pod
metadata: {name: kube-apiserver, namespace: kube-system}
spec:
  containers: [{name: kube-apiserver, image: some}]
  volumes:
  - {name: pki, hostPath: {path: /etc/kubernetes/pki/, type: DirectoryOrCreate}}
  - {name: empty, emptyDir: {}}
`;

test("a static pod, in YAML or JSON", () => {
  const pod = {
    namespace: "kube-system",
    name: "kube-apiserver",
    containers: ["kube-apiserver"],
    hostPaths: ["/etc/kubernetes/pki"],
  };
  expect(readManifest(text(POD))).toEqual({ is: "static-pod", pod });
  const json = '{"apiVersion":"v1","kind":"Pod","metadata":{"name":"a"},"spec":{"containers":[{"name":"b"}]}}';
  expect(readManifest(text(json))).toMatchObject({ is: "static-pod", pod: { namespace: "default", name: "a" } });
});

test.each([
  ["a checkpoint", POD.replace("}", ", annotations: {checkpointer.alpha.coreos.com/checkpoint-of: x}}")],
  ["the temporary control plane", POD.replace("name: kube-apiserver", "name: bootstrap-kube-apiserver")],
])("%s is passing", (_, manifest) => expect(readManifest(text(manifest))).toEqual({ is: "passing" }));

test.each([
  ["nothing", ""],
  ["half of it", POD.slice(0, 60)],
  ["half a word", POD.slice(0, 20)],
  ["zeros", "\0".repeat(400)],
  ["no text", "\xff\xfe"],
  ["another kind", POD.replace("kind: Pod", "kind: Node")],
  ["no containers", POD.replace(/containers: .*/, "containers: []")],
])("%s is damaged", (_, manifest) => expect(readManifest(Buffer.from(manifest, "latin1"))).toEqual({ is: "damaged" }));

test.each<[string, string | undefined, FileState]>([
  ["abc", "abc", "same"],
  ["abc", "abd", "changed"],
  ["abc", "abcd", "changed"],
  ["abc", "ab", "damaged"],
  ["abc", "", "damaged"],
  ["abc", "\0\0\0\0", "damaged"],
  ["abc", undefined, "gone"],
])("a copy %j beside %j: %s", (copy, present, state) => {
  expect(compareFile(text(copy), present === undefined ? undefined : text(present))).toBe(state);
});

test("a manifest is changed while it can be run, damaged when it cannot", () => {
  expect(compareManifest(text(POD), text(POD.replace("some", "other")))).toBe("changed");
  expect(compareManifest(text(POD), text("# nothing here\n"))).toBe("damaged");
});

const PATIENCE = { damaged: 10, gone: 100 };
const MANIFEST = "/m/a.yaml";
const sight = (manifest: FileState, files: Record<string, FileState> = {}, movedTo?: string): ProtectedSight => ({
  manifest,
  files: new Map(Object.entries(files)),
  movedTo,
  since: 1000,
});
const judge = (seen: ProtectedSight, now: number) => decideProtection(seen, MANIFEST, PATIENCE, now);

test("every manifest beside every file: what is mended, after which time, and what is left alone", () => {
  const states: FileState[] = ["same", "changed", "damaged", "gone"];
  const table = states.flatMap((manifest) =>
    states.map((file) => {
      const acts = [1000, 1010, 1100].map(
        (now) => judge(sight(manifest, { "/pki/a": file, "/pki/b": "same" }), now).act,
      );
      return `${manifest} ${file}: ${acts.join(" ")}`;
    }),
  );
  expect(table).toEqual([
    "same same: nothing nothing nothing",
    "same changed: nothing nothing nothing",
    "same damaged: wait mend mend",
    "same gone: wait wait mend",
    "changed same: nothing nothing nothing",
    "changed changed: nothing nothing nothing",
    "changed damaged: leave leave leave",
    "changed gone: leave leave leave",
    "damaged same: wait mend mend",
    "damaged changed: wait mend mend",
    "damaged damaged: wait mend mend",
    "damaged gone: wait wait mend",
    "gone same: wait wait mend",
    "gone changed: wait wait mend",
    "gone damaged: wait wait mend",
    "gone gone: wait wait mend",
  ]);
});

test("the manifest comes last", () => {
  expect(judge(sight("gone", { "/pki/a": "damaged", "/pki/b": "same" }), 2000)).toMatchObject({
    act: "mend",
    paths: ["/pki/a", MANIFEST],
  });
});

test("what a person moved aside stays there, and a node that was reset stays empty", () => {
  expect(judge(sight("gone", {}, "/etc/kubernetes/a.yaml"), 9999)).toEqual({
    act: "leave",
    text: '"/m/a.yaml" was moved to "/etc/kubernetes/a.yaml"',
  });
  expect(judge(sight("gone", { "/pki/a": "gone", "/pki/b": "gone" }), 9999)).toMatchObject({ act: "leave" });
});
