import { expect, test } from "vitest";
import { parse, stringify } from "yaml";
import { fc, Premise } from "../../../test/properties.ts";
import { parsePlainYaml } from "./plain-yaml.ts";

const KUBECONFIG = `apiVersion: v1
kind: Config
preferences: {}
clusters:
- cluster:
    certificate-authority-data: LS0tLS1CRUdJTg==
    server: https://10.77.0.11:6443
    insecure-skip-tls-verify: true
  name: local
contexts:
  - name: "local"
    context:
      cluster: local
      user: 'service-account'
# the user
users:
- name: service-account
  user:
    tokenFile: /var/run/secrets/kubernetes.io/serviceaccount/token
current-context: local
`;

test("a kubeconfig as they are written", () => {
  expect(parsePlainYaml(KUBECONFIG)).toEqual(parse(KUBECONFIG));
});

test("what it reads, it reads as the library does; the rest it leaves", () => {
  const text = fc.oneof(
    fc.string({ maxLength: 12 }),
    fc.constantFrom("true", "null", "~", "12", "1e3", "a: b", "- a", "x #y", "|", "2026-01-01", "a:", "{}", "", "No"),
    fc.stringMatching(/^[A-Za-z0-9+/=]{0,40}$/),
  );
  const key = fc.oneof(fc.stringMatching(/^[a-z][a-z-]{0,8}$/), text);
  const { tree } = fc.letrec((tie) => ({
    tree: fc.oneof(
      { maxDepth: 4 },
      text,
      fc.boolean(),
      fc.dictionary(key, tie("tree"), { maxKeys: 4, noNullPrototype: true }),
      fc.array(tie("tree"), { maxLength: 4 }),
    ),
  }));
  const style = fc.record({ indentSeq: fc.boolean(), indent: fc.constantFrom(2, 4) });
  const plain = new Premise();
  fc.assert(
    fc.property(tree, style, (value, options) => {
      const written = stringify(value, options);
      const found = parsePlainYaml(written);
      if (plain.isMet(found !== undefined)) expect(found).toEqual(parse(written));
    }),
    { numRuns: 3000 },
  );
  plain.expectMet(100);
});

test("any text whatever is read as the library does, or left", () => {
  const line = fc
    .tuple(
      fc.constantFrom("", "  ", "    ", "- ", "  - "),
      fc.constantFrom("a: b", "a:", "b: 'c'", "c", "- d", "e: f: g", "#", "x: #", 'k: "a"', "n: 1"),
    )
    .map((parts) => parts.join(""));
  const plain = new Premise();
  fc.assert(
    fc.property(fc.array(line, { maxLength: 8 }), (lines) => {
      const text = `${lines.join("\n")}\n`;
      const found = parsePlainYaml(text);
      if (plain.isMet(found !== undefined)) expect(found).toEqual(parse(text));
    }),
    { numRuns: 5000 },
  );
  plain.expectMet(200);
});
