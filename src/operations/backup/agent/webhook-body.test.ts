import { expect, test } from "vitest";
import { faultEvent } from "./fault-events.ts";
import { webhookBody } from "./webhook-body.ts";
import type { WebhookFormat } from "./webhook-format.ts";

const NOW = Date.parse("2026-11-29T10:00:00Z");
const FAULT = {
  kind: "store",
  text: 'the store answers "<!channel> & more"',
  since: "2026-11-29T09:59:00.000Z",
} as const;
const body = (format: WebhookFormat, over = false) =>
  webhookBody(format, { fault: FAULT, over, repository: "s3://backups/prod", writer: "master-1", now: NOW });

test("our own", () => {
  expect(body("json")).toEqual({ ...FAULT, over: false, repository: "s3://backups/prod", writer: "master-1" });
});

test("Slack gets one text, in which nothing of a server's is a mention", () => {
  const { text } = body("slack") as { text: string };
  expect(text).toContain("&lt;!channel&gt; &amp; more");
  expect(text).not.toContain("<");
  expect((body("slack", true) as { text: string }).text).toMatch(/^Over: /);
});

test("Alertmanager's API gets an alert that ends when the fault is over, and by itself a day later", () => {
  const [firing] = body("alertmanager") as { labels: object; startsAt: string; endsAt: string }[];
  const [over] = body("alertmanager", true) as { labels: object; startsAt: string; endsAt: string }[];
  expect(firing?.labels).toEqual(over?.labels); // by which Alertmanager knows that it is the same
  expect(firing).toMatchObject({ startsAt: FAULT.since, endsAt: "2026-11-30T10:00:00.000Z" });
  expect(over).toMatchObject({ startsAt: FAULT.since, endsAt: "2026-11-29T10:00:00.000Z" });
});

test("a receiver of Alertmanager's gets what Alertmanager sends", () => {
  expect(body("alertmanager-receiver")).toMatchObject({
    version: "4",
    status: "firing",
    alerts: [{ status: "firing", labels: { alertname: "KubemendBackupFault", kind: "store", instance: "master-1" } }],
  });
  expect(body("alertmanager-receiver", true)).toMatchObject({ status: "resolved", alerts: [{ status: "resolved" }] });
});

test("an Event is of the node, and its texts fit", () => {
  const long = { ...FAULT, text: "x".repeat(5000) };
  const event = faultEvent(long, false, "master-1", NOW) as { message: string; metadata: { name: string } };
  expect(event).toMatchObject({
    type: "Warning",
    reason: "EtcdBackupFault",
    involvedObject: { kind: "Node", name: "master-1" },
    firstTimestamp: "2026-11-29T10:00:00Z",
  });
  expect(event.message).toHaveLength(1024);
  expect(event.metadata.name).toMatch(/^master-1\.[0-9a-f]{16}$/);
});
