/** The shapes in which a webhook can be given what it gets. */

export const WEBHOOK_FORMATS = ["json", "slack", "alertmanager", "alertmanager-receiver"] as const;
export type WebhookFormat = (typeof WEBHOOK_FORMATS)[number];
