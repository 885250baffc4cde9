/** Pods that fill the clusters of benches: Deployments of one container each, as the real controllers and scheduler place them. */
import type { ControlPlane } from "../testbed/control-plane.ts";
import { waitFor } from "../testbed/wait.ts";

const MINUTE_SECONDS = 60;
const LONGEST_SECONDS = 60 * MINUTE_SECONDS;
export const DEPLOYMENTS = "/apis/apps/v1/namespaces/default/deployments";

export interface Workloads {
  readonly pods: number;
  readonly deployments: number;
  /** Kubernetes' own unless told. */
  readonly scheduler?: string | undefined;
}

/** `pods` of as many Deployments, `GROUP-0` and so on, with the label `group`: resolves once every Deployment is ready. */
export async function startWorkloads(
  plane: ControlPlane,
  group: string,
  { pods, deployments, scheduler }: Workloads,
): Promise<void> {
  for (let i = 0; i < deployments; i++) {
    const replicas = Math.floor(pods / deployments) + (i < pods % deployments ? 1 : 0);
    await plane.api.applyObject(deployment(`${group}-${i}`, group, replicas, scheduler));
  }
  await waitFor(
    `${pods} pods to be ready`,
    async () => {
      const all = await plane.api.list(DEPLOYMENTS);
      return all.every(
        ({ status, spec }) => (status.readyReplicas ?? 0) === spec.replicas && (status.replicas ?? 0) === spec.replicas,
      );
    },
    { seconds: LONGEST_SECONDS, everyMilliseconds: 2000 },
  );
}

/** Deletes the Deployments of a group, and resolves once none of its pods is left. */
export async function endWorkloads(plane: ControlPlane, group: string, deployments: number): Promise<void> {
  for (let i = 0; i < deployments; i++)
    await plane.api.delete(`${DEPLOYMENTS}/${group}-${i}`, { propagationPolicy: "Background" });
  const left = `/api/v1/namespaces/default/pods?limit=1&labelSelector=group%3D${group}`;
  await waitFor(`the pods of "${group}" to go`, async () => (await plane.api.list(left)).length === 0, {
    seconds: LONGEST_SECONDS,
    everyMilliseconds: 2000,
  });
}

function deployment(name: string, group: string, replicas: number, schedulerName: string | undefined): unknown {
  return {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name, namespace: "default" },
    spec: {
      replicas,
      selector: { matchLabels: { app: name } },
      template: {
        metadata: { labels: { app: name, group } },
        spec: {
          terminationGracePeriodSeconds: 1,
          ...(schedulerName !== undefined && { schedulerName }),
          containers: [{ name: "web", image: "kubemend.test/web:1", imagePullPolicy: "IfNotPresent" }],
        },
      },
    },
  };
}
