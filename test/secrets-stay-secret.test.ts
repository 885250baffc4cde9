/** Errors about files with secrets, damaged in every way: none of them shows a secret, and none is an internal error. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { stringify } from "yaml";
import { kubemend } from "./kubemend.ts";
import { fc } from "./properties.ts";

const directory = mkdtempSync(join(tmpdir(), "kubemend-secrets-"));
afterAll(() => rmSync(directory, { recursive: true }));

const SECRETS = ["TokenOfTheAdmin0123", "PasswordOfTheAdmin45", "KeyOfTheAdmin6789abc", "ProxyPasswordXyz987"];
const [TOKEN, PASSWORD, KEY, PROXY] = SECRETS as [string, string, string, string];

const KUBECONFIG = stringify({
  apiVersion: "v1",
  kind: "Config",
  clusters: [{ name: "c", cluster: { server: "https://127.0.0.1:1", "proxy-url": `http://me:${PROXY}@127.0.0.1:1` } }],
  users: [
    { name: "token", user: { token: TOKEN } },
    { name: "password", user: { username: "admin", password: PASSWORD } },
    { name: "key", user: { "client-certificate-data": "Y2VydA==", "client-key-data": KEY } },
  ],
  contexts: ["token", "password", "key"].map((user) => ({ name: user, context: { cluster: "c", user } })),
  "current-context": "token",
});

/** One slip of an editor: a line lost, doubled, moved, joined, indented, or a character changed. */
const slip = fc.tuple(
  fc.constantFrom("lose", "double", "swap", "join", "indent", "colon", "quote", "dash", "fold"),
  fc.nat(KUBECONFIG.split("\n").length - 2),
  fc.nat(KUBECONFIG.split("\n").length - 2),
);

function damage(text: string, slips: readonly (readonly [string, number, number])[]): string {
  const lines = text.split("\n");
  for (const [kind, at, to] of slips) {
    const [i, j] = [at % lines.length, to % lines.length];
    const line = lines[i]!;
    if (kind === "lose") lines.splice(i, 1);
    else if (kind === "double") lines.splice(i, 0, line);
    else if (kind === "swap") [lines[i], lines[j]] = [lines[j]!, line];
    else if (kind === "join") lines.splice(i, 2, `${line} ${lines[i + 1]?.trim() ?? ""}`);
    else if (kind === "indent") lines[i] = `  ${line}`;
    else if (kind === "colon") lines[i] = line.replace(": ", ":");
    else if (kind === "quote") lines[i] = line.replace(/: /, ': "');
    else if (kind === "dash") lines[i] = line.replace(/^( *)/, "$1- ");
    else if (kind === "fold") lines[i] = line.replace(/: .*/, ": >");
    if (lines.length === 0) lines.push("");
  }
  return lines.join("\n");
}

let path: string;
beforeAll(() => {
  path = join(directory, "kubeconfig");
});

test("no error about a damaged kubeconfig shows what is in it", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(slip, { minLength: 1, maxLength: 3 }),
      fc.constantFrom("token", "password", "key", undefined),
      async (slips, context) => {
        writeFileSync(path, damage(KUBECONFIG, slips));
        const flags = context === undefined ? [] : [`--context=${context}`];
        const { code, stdout, stderr } = await kubemend(directory, [
          "node",
          "status",
          `--kubeconfig=${path}`,
          "--request-timeout=1s",
          ...flags,
        ]);
        expect(code, stderr).not.toBe(0);
        expect(stderr).toMatch(/^error: /m);
        expect(stderr).not.toMatch(/internal error|this is a bug/);
        for (const secret of SECRETS) expect(stdout + stderr).not.toContain(secret);
      },
    ),
    { numRuns: 300 },
  );
});
