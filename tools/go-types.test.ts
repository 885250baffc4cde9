import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { readGoPackages } from "./go-types.ts";
import { readLegacyTypes } from "./legacy-types.ts";
import { mergeReleases, parseField, printField, reachable } from "./merge-messages.ts";

const root = mkdtempSync(join(tmpdir(), "kubemend-go-types-"));
afterAll(() => rmSync(root, { recursive: true }));

const DIRECTORIES = new Map([
  ["k8s.io/api/toys/v1", "toys/v1"],
  ["k8s.io/apimachinery/pkg/apis/meta/v1", "meta/v1"],
]);

function release(name: string, toys: string) {
  const meta = `package v1
type Time struct {
	Seconds int64 \`json:"-" protobuf:"varint,1,opt,name=seconds"\`
}
type TypeMeta struct {
	Kind string \`json:"kind,omitempty" protobuf:"bytes,1,opt,name=kind"\`
}
type ObjectMeta struct {
	Name string \`json:"name,omitempty" protobuf:"bytes,1,opt,name=name"\`
}
`;
  for (const [path, text] of [
    ["k8s.io/api/toys/v1", toys],
    ["k8s.io/apimachinery/pkg/apis/meta/v1", meta],
  ] as const) {
    mkdirSync(join(root, name, path), { recursive: true });
    writeFileSync(join(root, name, path, "types.go"), text);
  }
  return [name, readGoPackages([join(root, name)], DIRECTORIES)] as const;
}

const HEAD = `package v1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

const GroupName = "toys.k8s.io"
`;
const NEW = release(
  "2.0",
  `${HEAD}
// +genclient
// +genclient:nonNamespaced

// Robot walks.
type Robot struct {
	metav1.TypeMeta \`json:",inline"\`
	// Standard metadata.
	metav1.ObjectMeta \`json:"metadata,omitempty" protobuf:"bytes,1,opt,name=metadata"\`

	Legs []Leg \`json:"legs" protobuf:"bytes,3,rep,name=legs"\`
	Battery \`json:",inline" protobuf:"bytes,2,opt,name=battery"\`
	Made metav1.Time \`json:"made,omitempty,omitzero" protobuf:"bytes,4,opt,name=made"\`
	Owners map[OwnerName]Names \`json:"owners,omitempty" protobuf:"bytes,5,rep,name=owners,castkey=OwnerName"\`
	Icon []byte \`json:"icon,omitempty" protobuf:"bytes,6,opt,name=icon"\`
	secret string
}

type OwnerName string

// +protobuf.nullable=true
// +protobuf.options.(gogoproto.goproto_stringer)=false
type Names []string

type Battery struct {
	Volts *int32 \`json:"volts,omitempty" protobuf:"varint,1,opt,name=volts"\`
}

type Leg struct {
	Length int64 \`json:"length" protobuf:"varint,1,opt,name=length"\`
}
`,
);
const OLD = release(
  "1.0",
  `${HEAD}
type Robot struct {
	metav1.TypeMeta \`json:",inline"\`
	metav1.ObjectMeta \`json:"metadata,omitempty" protobuf:"bytes,1,opt,name=metadata"\`
	Legs []Foot \`json:"legs,omitempty" protobuf:"bytes,3,rep,name=legs"\`
	Colour string \`json:"colour,omitempty" protobuf:"bytes,7,opt,name=colour"\`
}

type Foot struct {
	Length int64 \`json:"length" protobuf:"varint,1,opt,name=length"\`
	Toes int32 \`json:"toes" protobuf:"varint,2,opt,name=toes"\`
}
`,
);

test("fields are read with their numbers, names, types and flags", () => {
  const toys = NEW[1].get("toys/v1")!;
  expect(toys.group).toBe("toys.k8s.io");
  expect(toys.structs.get("Robot")).toMatchObject({ isObject: true, namespaced: false });
  expect(toys.structs.get("Robot")!.fields.map(printField)).toEqual([
    "1 metadata? meta/v1.ObjectMeta",
    "3 legs []toys/v1.Leg",
    "2 - toys/v1.Battery",
    "4 made?? time",
    "5 owners? map[]toys/v1.Names",
    "6 icon? bytes",
  ]);
  expect(toys.structs.get("Names")!.fields.map(printField)).toEqual(["1 = []string"]);
  expect(toys.structs.get("Battery")!.fields.map(printField)).toEqual(["1 volts? *int32"]);
});

test("the union believes the newest release and keeps what older ones had", () => {
  const { messages, disagreements } = mergeReleases([NEW, OLD]);
  expect(messages.get("toys/v1.Robot")!.map(printField)).toEqual([
    "1 metadata? meta/v1.ObjectMeta",
    "3 legs []toys/v1.Leg",
    "7 colour? string gone",
    "2 - toys/v1.Battery",
    "4 made?? time",
    "5 owners? map[]toys/v1.Names",
    "6 icon? bytes",
  ]);
  // Leg was called Foot, and had toes.
  expect(messages.get("toys/v1.Leg")!.map(printField)).toEqual(["1 length int64", "2 toes int32 gone"]);
  expect(disagreements).toEqual(["toys/v1.Robot #3: legs []toys/v1.Leg / 1.0: legs? []toys/v1.Foot"]);
  expect([...reachable(messages, ["toys/v1.Robot"]).keys()]).not.toContain("toys/v1.Foot");
});

test("legacy types are readable, and fields come back as they are printed", () => {
  const legacy = readLegacyTypes();
  expect(legacy.find(({ name }) => name === "settings/v1alpha1.PodPreset")).toMatchObject({ object: "namespaced" });
  for (const { fact } of legacy.flatMap(({ fields }) => fields)) expect(parseField(printField(fact))).toEqual(fact);
});
