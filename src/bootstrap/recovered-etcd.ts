/**
 * What `start` makes of `bootstrap-etcd.yaml`: no boot member that sees new members in and ends, as etcd-operator had
 * it, but the cluster's etcd from then on. A static pod, its data and its certificates in places of this machine that
 * stay.
 */
import { z } from "zod";
import { MendError } from "../errors/errors.ts";
import { containerIndexOf } from "../kube/component.ts";
import { changeFlag } from "../kube/container-flags.ts";
import { objectOf, objectsOf, textOf } from "../kube/fields.ts";
import type { JsonObject, KubeObject } from "../kube/object.ts";
import { type EtcdRecovery, RECOVERY_ANNOTATION } from "./bootstrap-etcd.ts";
import { manifestYaml } from "./manifest.ts";

/** Of the static pod, and of its manifest. */
const RECOVERED_ETCD = "recovered-etcd";
export const RECOVERED_ETCD_DATA = "/var/lib/etcd";
/** The asset dir's `tls/etcd/`, on the node. */
export const RECOVERED_ETCD_SECRETS = "/etc/kubernetes/recovered-etcd";

export interface RecoveredEtcd {
  readonly fileName: string;
  readonly bytes: Uint8Array;
  readonly pod: KubeObject;
  readonly recovery: EtcdRecovery;
  readonly hasTls: boolean;
  readonly images: readonly string[];
  /** Where it listens. */
  readonly ports: readonly number[];
}

const recoverySchema = z.object({
  backup: z.string().startsWith("/"),
  hasHash: z.boolean(),
  name: z.string().min(1),
  peerUrl: z.url(),
  clusterToken: z.string().min(1),
  leaveOut: z.array(z.string()),
  listen: z.array(z.url()),
  labels: z.record(z.string(), z.string()),
  servers: z.array(z.string()),
});

export function isBootstrapEtcd(pod: KubeObject): boolean {
  return pod.metadata.annotations?.[RECOVERY_ANNOTATION] !== undefined;
}

/** Throws `config-invalid`. */
export function recoveredEtcd(bootstrap: KubeObject): RecoveredEtcd {
  const recovery = recoveryOf(bootstrap);
  const spec = objectOf(bootstrap.spec);
  const secrets = objectsOf(spec.volumes).find(({ name }) => name === "secrets");
  const containers = objectsOf(spec.containers).map((container) => ({
    ...container,
    command: listenAt(container.command, recovery.listen),
    volumeMounts: objectsOf(container.volumeMounts).map((mount) =>
      mount.name === "etcd" ? { ...mount, mountPath: `${textOf(mount.mountPath)}/data` } : mount,
    ),
  }));
  const { initContainers: _, ...rest } = spec;
  const pod = {
    apiVersion: "v1",
    kind: "Pod",
    metadata: {
      name: RECOVERED_ETCD,
      namespace: bootstrap.metadata.namespace ?? "kube-system",
      labels: { ...recovery.labels, ...bootstrap.metadata.labels },
    },
    spec: {
      ...rest,
      restartPolicy: "Always",
      priorityClassName: "system-node-critical",
      containers,
      volumes: [
        { name: "etcd", hostPath: { path: RECOVERED_ETCD_DATA, type: "Directory" } },
        ...(secrets === undefined
          ? []
          : [{ name: "secrets", hostPath: { path: RECOVERED_ETCD_SECRETS, type: "Directory" } }]),
      ],
    },
  };
  const command = containers.flatMap((container) => container.command);
  return {
    fileName: `${RECOVERED_ETCD}.yaml`,
    bytes: new TextEncoder().encode(manifestYaml(pod)),
    pod,
    recovery,
    hasTls: secrets !== undefined,
    images: containers.map((container: JsonObject) => textOf(container.image)),
    ports: command
      .filter((word) => /^--listen-(client|peer)-urls=/.test(word))
      .flatMap((word) => [...word.matchAll(/:(\d+)(?=,|$)/g)].map(([, port]) => Number(port))),
  };
}

/**
 * The temporary API server of the same machine, without the servers that nobody answers for yet: each connection to an
 * address of the service network would hang until it times out, and bootkube named them only for the time after the
 * boot member.
 */
export function dialOnlyRecoveredEtcd(apiServer: KubeObject, ports: readonly number[]): KubeObject {
  const isHere = (url: string) => ports.some((port) => url.endsWith(`://127.0.0.1:${port}`));
  const spec = objectOf(apiServer.spec);
  const index = containerIndexOf("kube-apiserver", spec);
  const containers = objectsOf(spec.containers).map((container, i) =>
    i === index
      ? changeFlag(container, "etcd-servers", (servers) => servers.split(",").filter(isHere).join(",") || servers)
      : container,
  );
  return { ...apiServer, spec: { ...spec, containers } };
}

function recoveryOf(bootstrap: KubeObject): EtcdRecovery {
  let value: unknown;
  try {
    value = JSON.parse(bootstrap.metadata.annotations?.[RECOVERY_ANNOTATION] ?? "");
  } catch {
    value = undefined;
  }
  const parsed = recoverySchema.safeParse(value);
  if (parsed.success) return parsed.data;
  throw new MendError("config-invalid", `its annotation "${RECOVERY_ANNOTATION}" does not say how to restore etcd`, {
    hint: "recover again",
  });
}

function listenAt(command: unknown, urls: readonly string[]): string[] {
  return (Array.isArray(command) ? command : []).map((word) =>
    textOf(word).startsWith("--listen-client-urls=") ? [textOf(word), ...urls].join(",") : textOf(word),
  );
}
