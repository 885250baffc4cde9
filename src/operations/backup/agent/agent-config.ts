/** The agent's configuration file, in YAML. Every field is checked, and every default is here. */

import { dirname, resolve } from "node:path";
import { z } from "zod";
import { defined } from "../../../errors/defined.ts";
import { MendError } from "../../../errors/errors.ts";
import { readTextFile } from "../../../io/files/read-file.ts";
import { CONTROL_PLANE_PATHS } from "../../../io/node/control-plane-files.ts";
import { readYaml } from "../../../kube/read-yaml.ts";
import type { AgentOptions } from "./agent-options.ts";
import { WEBHOOK_FORMATS } from "./webhook-format.ts";

const UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };
const SIZES: Readonly<Record<string, number>> = {
  "": 1,
  k: 1e3,
  M: 1e6,
  G: 1e9,
  Ki: 2 ** 10,
  Mi: 2 ** 20,
  Gi: 2 ** 30,
};

function duration(least: number) {
  return z.string().transform((text, context) => {
    const [, amount, unit] = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)$/.exec(text) ?? [];
    const value = amount === undefined ? Number.NaN : Number(amount) * defined(UNITS[defined(unit)]);
    if (value >= least) return value;
    context.addIssue(`expected a duration such as 10s, 5m or 24h, of ${least / 1000}s or more`);
    return z.NEVER;
  });
}

const size = z.union([z.string(), z.number()]).transform((given, context) => {
  const [, amount, unit] = /^(\d+(?:\.\d+)?)(Ki|Mi|Gi|k|M|G)?$/.exec(String(given)) ?? [];
  if (amount !== undefined) return Number(amount) * defined(SIZES[unit ?? ""]);
  context.addIssue("expected a size such as 512Mi or 1Gi");
  return z.NEVER;
});

const DEFAULTS = { spool: "/var/lib/kubemend/backup", metrics: "127.0.0.1:10271" } as const;

const SCHEMA = z.strictObject({
  repository: z.string().min(1),
  signingKeyFile: z.string().min(1),
  /** The node's name: NODE_NAME, else the host's name, unless given. */
  name: z.string().min(1).optional(),
  etcd: z.strictObject({
    endpoints: z.array(z.string().min(1)).min(1),
    caFile: z.string().optional(),
    certFile: z.string().optional(),
    keyFile: z.string().optional(),
    user: z.string().optional(),
    passwordFile: z.string().optional(),
    timeout: duration(100).default(5000),
  }),
  interval: duration(200).default(defined(UNITS.s) * 10),
  heartbeat: duration(1000).default(defined(UNITS.m)),
  fullEvery: duration(60_000).default(defined(UNITS.h) * 24),
  hashEvery: duration(1000).default(defined(UNITS.m) * 15),
  flushSize: size.default(8 * 2 ** 20),
  spool: z.strictObject({ directory: z.string().default(DEFAULTS.spool), limit: size.default(2 ** 30) }).default({
    directory: DEFAULTS.spool,
    limit: 2 ** 30,
  }),
  /** Paths; true for those of a usual control-plane node, false for none. */
  nodeFiles: z.union([z.boolean(), z.array(z.string().regex(/^\//))]).default(true),
  /** `HOST:PORT` of the loopback, or `none`. */
  metricsAddress: z.string().default(DEFAULTS.metrics),
  /** An address, or with the shape of what is sent; `urlFile` for one that is a secret. */
  webhook: z
    .union([
      z.url(),
      z.strictObject({
        url: z.url().optional(),
        urlFile: z.string().min(1).optional(),
        format: z.enum(WEBHOOK_FORMATS).default("json"),
      }),
    ])
    .optional(),
  /** A kubeconfig, such as the kubelet's: faults become Events of the node. */
  events: z.strictObject({ kubeconfig: z.string().min(1) }).optional(),
});

export type AgentSettings = Omit<AgentOptions, "env" | "cwd" | "signal" | "now" | "clock" | "log">;

/**
 * Relative paths start from the file. `hostName` is used where neither the file nor NODE_NAME names the node. Throws
 * `config-invalid` with the field.
 */
export function readAgentConfig(path: string, nodeName: string): AgentSettings {
  let value: unknown;
  try {
    value = readYaml(readTextFile(path));
  } catch (error) {
    if (error instanceof MendError) throw error;
    throw new MendError("config-invalid", `"${path}" is not YAML`, { where: path, cause: error });
  }
  const result = SCHEMA.safeParse(value ?? {});
  if (!result.success) {
    const [issue] = result.error.issues;
    const field = issue?.path.join(".") || "the file";
    throw new MendError("config-invalid", `${field}: ${issue?.message}`, {
      where: path,
      hint: "see docs/back-up-continuously.md for what the file may hold",
    });
  }
  const config = result.data;
  const at = (file: string): string => resolve(dirname(path), file);
  const { caFile, certFile, keyFile, user, passwordFile } = config.etcd;
  const nodeFiles =
    config.nodeFiles === true ? CONTROL_PLANE_PATHS : config.nodeFiles === false ? [] : config.nodeFiles;
  const isUrl = /^[a-z][a-z0-9+.-]+:\/\//i.test(config.repository);
  return {
    repository: isUrl ? config.repository : at(config.repository),
    signingKeyFile: at(config.signingKeyFile),
    writer: config.name ?? nodeName,
    etcd: {
      endpoints: config.etcd.endpoints,
      ...(caFile === undefined ? {} : { cacert: at(caFile) }),
      ...(certFile === undefined ? {} : { cert: at(certFile) }),
      ...(keyFile === undefined ? {} : { key: at(keyFile) }),
      ...(user === undefined ? {} : { user }),
      ...(passwordFile === undefined ? {} : { password: readTextFile(at(passwordFile)).trimEnd() }),
      timeout: config.etcd.timeout,
    },
    intervalMs: config.interval,
    flushBytes: config.flushSize,
    heartbeatMs: config.heartbeat,
    fullEveryMs: config.fullEvery,
    hashEveryMs: config.hashEvery,
    patience: {
      busy: Math.max(3000, 3 * config.interval),
      idle: 2 * config.heartbeat + 3 * config.interval,
    },
    spoolDirectory: at(config.spool.directory),
    spoolLimit: config.spool.limit,
    nodeFiles,
    metricsAddress: config.metricsAddress === "none" ? undefined : config.metricsAddress,
    webhook: webhookOf(config.webhook, at, path),
    eventsKubeconfig: config.events === undefined ? undefined : at(config.events.kubeconfig),
  };
}

function webhookOf(
  given: z.infer<typeof SCHEMA>["webhook"],
  at: (file: string) => string,
  path: string,
): AgentOptions["webhook"] {
  if (given === undefined) return undefined;
  if (typeof given === "string") return { url: given, format: "json" };
  const { url, urlFile, format } = given;
  const text = urlFile === undefined ? url : readTextFile(at(urlFile)).trim();
  if (text !== undefined && (url === undefined) !== (urlFile === undefined) && URL.canParse(text))
    return { url: text, format };
  throw new MendError("config-invalid", "webhook: expected an address in url, or a file that holds one in urlFile", {
    where: path,
    hint: "see docs/back-up-continuously.md for what the file may hold",
  });
}
