/** A fault of the agent as the services that people use take it. */
import { escapeText } from "../../../errors/unsafe-text.ts";
import type { JsonObject } from "../../../kube/object.ts";
import type { AgentFault } from "./agent-report.ts";
import type { WebhookFormat } from "./webhook-format.ts";

interface ReportedFault {
  readonly fault: AgentFault;
  /** Whether it is over. */
  readonly over: boolean;
  readonly repository: string;
  /** Who reports it: the node's name. */
  readonly writer: string;
  /** Milliseconds since the epoch. */
  readonly now: number;
}

/** An alert that nobody ends, because the agent died, ends by itself. */
const LONGEST_MS = 24 * 3_600_000;

/**
 * `json`: our own. `slack`: an incoming webhook of Slack, which Mattermost and others take too. `alertmanager`: `POST
 * /api/v2/alerts` of Alertmanager. `alertmanager-receiver`: what Alertmanager itself sends to its webhook receivers,
 * version 4.
 */
export function webhookBody(format: WebhookFormat, reported: ReportedFault): JsonObject | JsonObject[] {
  const { over, writer, now } = reported;
  const repository = escapeText(reported.repository);
  // A text of a server's is shown by whatever gets it: nothing in it may reorder or hide what is around it.
  const fault = { ...reported.fault, text: escapeText(reported.fault.text) };
  if (format === "json") return { ...fault, over, repository, writer };
  if (format === "slack") return { text: slackText({ fault, over, repository, writer }) };
  const alert = {
    labels: {
      alertname: "KubemendBackupFault",
      severity: "warning",
      kind: fault.kind,
      instance: writer,
      repository,
    },
    annotations: { summary: `kubemend's backup agent on ${writer}: ${fault.text}` },
    startsAt: fault.since,
    endsAt: new Date(over ? now : now + LONGEST_MS).toISOString(),
    generatorURL: "",
  };
  if (format === "alertmanager") return [alert];
  const status = over ? "resolved" : "firing";
  const endsAt = over ? alert.endsAt : "0001-01-01T00:00:00Z";
  const labels = alert.labels;
  return {
    version: "4",
    status,
    receiver: "kubemend",
    groupKey: `{}:{alertname="${labels.alertname}", kind="${labels.kind}"}`,
    truncatedAlerts: 0,
    groupLabels: { alertname: labels.alertname },
    commonLabels: labels,
    commonAnnotations: alert.annotations,
    externalURL: "",
    alerts: [{ ...alert, status, endsAt, fingerprint: `${labels.kind}-${writer}` }],
  };
}

/** Slack's own characters are escaped, so that no text of a server's becomes a link or a mention. */
function slackText({ fault, over, repository, writer }: Omit<ReportedFault, "now">): string {
  const text = `${over ? "Over" : "Backups of etcd"}: ${fault.text} (${fault.kind}, since ${fault.since}, node ${writer}, ${repository})`;
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}
