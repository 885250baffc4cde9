/** What `recover` found and wrote, for people and for scripts: the same facts. */

import { type ControlPlane, FLAVOUR_TITLES } from "../../controlplane/flavours/flavours.ts";
import { defined } from "../../errors/defined.ts";
import type { Recovery } from "../../operations/recover/recover.ts";
import type { RecoverySource } from "../../operations/recover/recovery-source.ts";
import { byteText } from "../terminal/byte-text.ts";
import { oneLine } from "../terminal/escape.ts";
import { nextSteps } from "./recovery-next-steps.ts";

export interface ReportOptions {
  /** Milliseconds since the epoch. */
  readonly now: number;
  readonly recoveryDir: string;
  readonly podManifestPath: string;
}

export function recoveryText(recovery: Recovery, options: ReportOptions): string {
  const { plane, source, rendering, written } = recovery;
  const rows: [string, string][] = [
    [
      "Control plane",
      `${FLAVOUR_TITLES[plane.flavour]}, Kubernetes ${plane.versions.join(" and ") || "of unknown version"}`,
    ],
    ["Nodes", nodesText(plane)],
    sourceRow(recovery),
    ["Last sign", lastSignText(plane, options.now)],
  ];
  const width = Math.max(...rows.map(([name]) => name.length)) + 2;
  const directory = written?.directory ?? options.recoveryDir;
  const verb = written === undefined ? "Would write asset" : "Writing asset";
  const sizes = rendering.assets.map((asset) =>
    asset.content instanceof Uint8Array ? asset.content.length : asset.content.size,
  );
  const total = sizes.reduce((sum, size) => sum + size, 0);
  return [
    `Recovering from ${sourceTitle(source)}`,
    ...rows.map(([name, value]) => `${`${name}:`.padEnd(width)}${oneLine(value)}`),
    ...rendering.assets.map((asset) => `${verb}: ${oneLine(`${directory}/${asset.path}`)}`),
    `${written === undefined ? "Dry run: would write" : written.replaced ? "Replaced" : "Wrote"}: ` +
      `${rendering.assets.length} files, ${byteText(total)}`,
    ...(written?.keptAt === undefined
      ? []
      : [`The earlier output had been changed (${written.changed.join(", ")}), and is kept at ${written.keptAt}`]),
    ...hostFileLines(recovery),
    "Next:",
    ...nextSteps(recovery, options).map((step) => `  ${step}`),
    "",
  ].join("\n");
}

/** A value for `-o json`: no bytes, no secrets. */
export function recoveryJson(recovery: Recovery, options: ReportOptions): object {
  const { plane, source, rendering, written, findings } = recovery;
  return {
    flavour: plane.flavour,
    versions: plane.versions,
    controlPlaneNodes: plane.controlPlaneNodes,
    nodeCount: plane.nodeCount,
    source,
    lastSign:
      plane.lastSign === undefined
        ? null
        : { ...plane.lastSign, ageSeconds: ageSeconds(plane.lastSign.time, options.now) },
    components: plane.components,
    etcd: plane.etcd === undefined ? null : etcdJson(plane.etcd),
    missing: plane.missing.map(({ kind, namespace, name, key, neededBy, reason }) => ({
      kind,
      namespace,
      name,
      key: key ?? null,
      neededBy,
      reason,
    })),
    recoveryDir: written?.directory ?? options.recoveryDir,
    written: written !== undefined,
    replaced: written?.replaced ?? false,
    changed: written?.changed ?? [],
    keptAt: written?.keptAt ?? null,
    assets: rendering.assets.map((asset) => ({
      path: asset.path,
      size: asset.content instanceof Uint8Array ? asset.content.length : asset.content.size,
    })),
    hostFiles: Object.fromEntries(rendering.hostFiles),
    findings,
    next: nextSteps(recovery, options),
  };
}

function nodesText(plane: ControlPlane): string {
  const names = plane.controlPlaneNodes.join(", ") || "none is labelled as control plane";
  return `${names} (${plane.nodeCount} in the cluster)`;
}

function sourceTitle(source: RecoverySource): string {
  switch (source.kind) {
    case "backup":
      return `the etcd backup file "${source.path}"`;
    case "etcd":
      return `the etcd at "${source.endpoint}"`;
    case "api-server":
      return `the API server at "${source.server}"`;
  }
}

function sourceRow({ source }: Recovery): [string, string] {
  if (source.kind === "api-server") return ["API server", source.version || "of unknown version"];
  const place = `objects under ${source.etcdPrefix || "/"}`;
  if (source.kind === "etcd") return ["etcd", `revision ${source.revision}, etcd ${source.version}, ${place}`];
  const parts = [`revision ${source.revision}`, `SHA-256 ${source.sha256}`, place];
  if (source.archive !== undefined) parts.push(`unpacked from ${source.archive}`);
  return ["Backup", parts.join(", ")];
}

function lastSignText(plane: ControlPlane, now: number): string {
  const { lastSign } = plane;
  if (lastSign === undefined) return "none: no object holds a time";
  return `${durationText(ageSeconds(lastSign.time, now))} ago, at ${lastSign.time.replace(/\.\d+Z$/, "Z")} (${lastSign.source})`;
}

function ageSeconds(time: string, now: number): number {
  return Math.round((now - Date.parse(time)) / 1000);
}

/** The two largest units, such as `2 d 5 h`. */
function durationText(seconds: number): string {
  if (seconds < 0) return `${durationText(-seconds)} in the future, not`;
  const units: [number, string][] = [
    [86_400, "d"],
    [3_600, "h"],
    [60, "min"],
    [1, "s"],
  ];
  const first = units.findIndex(([size]) => seconds >= size);
  if (first < 0) return "0 s";
  const [size, name] = defined(units[first]);
  const whole = Math.floor(seconds / size);
  const second = units[first + 1];
  const rest = second === undefined ? 0 : Math.floor((seconds - whole * size) / second[0]);
  return rest === 0 ? `${whole} ${name}` : `${whole} ${name} ${rest} ${defined(second)[1]}`;
}

function etcdJson(etcd: {
  readonly name: string;
  readonly namespace: string;
  readonly image: string;
  readonly bootServiceIp: string;
  readonly tls: unknown;
}): object {
  const { name, namespace, image, bootServiceIp, tls } = etcd;
  return { name, namespace, image, bootServiceIp, tls: tls ?? null };
}

/** How much each node needs that etcd does not hold; the list itself is an asset. */
function hostFileLines({ rendering }: Recovery): string[] {
  return [...rendering.hostFiles].map(([node, files]) => {
    const needed = files.filter((file) => file.role === "input").length;
    return `${node} also needs ${needed} files that etcd does not hold: see nodes/${node}/host-files.txt`;
  });
}
