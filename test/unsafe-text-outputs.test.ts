/** What servers, files and buckets say, in outputs that somebody looks at later: logs, metrics, messages to chats. */
import { expect, test } from "vitest";
import { UNSAFE } from "../src/errors/unsafe-text.ts";
import { metricText } from "../src/io/agent/metrics-text.ts";
import { changeLine, endLine } from "../src/operations/audit/audit-record.ts";
import { faultEvent } from "../src/operations/backup/agent/fault-events.ts";
import { webhookBody } from "../src/operations/backup/agent/webhook-body.ts";
import { WEBHOOK_FORMATS } from "../src/operations/backup/agent/webhook-format.ts";

const HOSTILE = "a\u001b]0;title\u0007b\u009b31mc\u202ed\u2066e\u{e0041}f\u200bg";
const FAULT = { kind: "store", text: HOSTILE, since: "2026-11-29T09:59:00.000Z" } as const;
const NOW = Date.parse("2026-11-29T10:00:00Z");

test.each(WEBHOOK_FORMATS)("a webhook: %s", (format) => {
  const body = webhookBody(format, { fault: FAULT, over: false, repository: "s3://b/prod", writer: "n1", now: NOW });
  const unsafe: string[] = [];
  JSON.stringify(body, (_, value) => {
    if (typeof value === "string" && UNSAFE.test(value)) unsafe.push(value);
    return value;
  });
  expect(unsafe).toEqual([]);
  expect(JSON.stringify(body)).toContain("u202e");
});

test("metrics", () => {
  const text = metricText("kubemend_x", "gauge", "What it is.", [[{ node: HOSTILE }, 1]]);
  expect(text).not.toMatch(UNSAFE);
  expect(text).toContain("\\\\u202e");
});

test("the audit log, whose lines still mean the same", () => {
  const facts = { run: "r", version: "0", command: "node clean", actor: { host: "n1", pid: 1, user: HOSTILE } };
  const lines = [
    changeLine(NOW, facts, { action: "remove", target: HOSTILE, by: HOSTILE }, [{ snapshot: HOSTILE }]),
    endLine(NOW, facts, { exitCode: 1, error: HOSTILE, changes: 1 }, []),
  ];
  for (const line of lines) expect(line).not.toMatch(UNSAFE);
  expect(JSON.parse(lines[0] ?? "")).toMatchObject({ target: HOSTILE, by: HOSTILE });
});

test("an Event", () => {
  const event = faultEvent(FAULT, false, "n1", NOW);
  expect(JSON.stringify(event)).not.toMatch(UNSAFE);
});
