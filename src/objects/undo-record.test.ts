import { expect, test } from "vitest";
import { decodeUndoFile, encodeHeader, encodeIntent, encodeOutcome, type RestoreRequest } from "./undo-record.ts";

const HEADER = encodeHeader({
  cluster: "cluster",
  server: "https://10.0.0.1:6443",
  started: "2026-11-29T10:00:00Z",
  serverTime: "2026-11-29T10:00:00Z",
  request: {
    ...{ file: "backup.db", atRevision: null, selection: ["configmaps"], namespace: null, selector: "", history: null },
    ...{ changed: false, withDependents: false, intoNamespace: null, renamed: {}, encryptionConfig: null },
    ...{ etcdPrefix: null, identity: null },
  } satisfies RestoreRequest,
});
const intent = (write: number): string =>
  encodeIntent({
    write,
    wave: 0,
    op: "create",
    id: { path: "configmaps", namespace: "default", name: `map-${write}` },
    apiVersion: "v1",
    before: null,
  });
const outcome = (write: number): string => encodeOutcome({ write, uid: `uid-${write}` });
const LINES = [HEADER, intent(1), intent(2), outcome(1), outcome(2)];
const uids = (text: string) => decodeUndoFile(text, "undo").entries.map((each) => each.outcome?.uid ?? "unknown");

test("an outcome that a power cut has left as zeros is unknown, whatever is behind it", () => {
  const whole = `${LINES.join("\n")}\n`;
  expect(uids(whole)).toEqual(["uid-1", "uid-2"]);
  const at = whole.indexOf(outcome(1));
  for (let from = at; from <= at + outcome(1).length; from++) {
    // With its line feed, and as much of it as was in the block that is lost.
    const zeros = "\0".repeat(at + outcome(1).length + 1 - from);
    const cut = `${whole.slice(0, from)}${zeros}${whole.slice(from + zeros.length)}`;
    expect(uids(cut), String(from)).toEqual(["unknown", "uid-2"]);
  }
});

test("a damaged line without zeros is no undo file's", () => {
  const damaged = [...LINES.slice(0, 3), "{", outcome(2), ""].join("\n");
  expect(() => decodeUndoFile(damaged, "undo")).toThrow("the line is no JSON");
  expect(() => decodeUndoFile(["\0\0", ...LINES.slice(1), ""].join("\n"), "undo")).toThrow("no undo file");
});
