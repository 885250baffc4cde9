/** Chosen objects go back into a live cluster whose controllers run, and are taken back again, to the last object. */
import { expect, test } from "vitest";
import { type ControlPlane, startControlPlane } from "../../testbed/control-plane.ts";
import { waitFor } from "../../testbed/wait.ts";
import { Workplace } from "./giving-back.ts";
import { describeWithCluster } from "./kubernetes.ts";

describeWithCluster("objects that were lost", (kubernetes) => {
  test("a deleted namespace with workloads, claims and services", async () => {
    await using plane = await startControlPlane({ kubernetes });
    using place = new Workplace(plane);
    await plane.api.apply(SHOP);
    await claimsBound(plane, ["kept", "dropped", "data-db-0"]);
    await podsMade(plane);
    await plane.api.request("PUT", "/api/v1/namespaces/shop/services/lb/status", {
      ...(await plane.api.get("/api/v1/namespaces/shop/services/lb")),
      status: { loadBalancer: { ingress: [{ ip: "192.0.2.7" }] } },
    });
    const backup = await place.backup();
    const uids = new Map(
      (await plane.api.list("/api/v1/persistentvolumes")).map((pv) => [pv.metadata.name, pv.metadata.uid]),
    );

    await plane.api.delete("/api/v1/namespaces/shop");
    await namespaceGone(plane, "shop");
    await waitFor("the volume to be deleted", async () =>
      (await plane.api.list("/api/v1/persistentvolumes")).every(({ metadata }) => metadata.name !== "dropped"),
    );
    const lost = await place.keyspace();

    const dry = await place.objects("restore", backup, "-n", "shop", "--dry-run");
    expect(dry.code).toBe(0);
    expect(dry.stdout).toMatch(/^create +namespaces\/shop$/m);
    expect(dry.stdout).toContain('it gets its volume "kept" back, with all that is on it');
    expect(dry.stdout).toMatch(/^skip +shop +2 pods +ReplicaSet makes it$/m);
    expect(await place.keyspace()).toEqual(lost);

    const ran = await place.objects("restore", backup, "-n", "shop", "--yes");
    expect(ran.stderr).not.toContain("refused");
    expect(ran, `${ran.stdout}${ran.stderr}`).toMatchObject({ code: 0 });
    await podsMade(plane);
    await claimsBound(plane, ["kept", "data-db-0"]);
    const volumes = await plane.api.list("/api/v1/persistentvolumes");
    for (const name of ["kept", "db"]) {
      const volume = volumes.find(({ metadata }) => metadata.name === name);
      expect(volume.metadata.uid).toBe(uids.get(name));
      expect(volume.status.phase).toBe("Bound");
    }
    const dropped = await plane.api.get("/api/v1/namespaces/shop/persistentvolumeclaims/dropped");
    expect(dropped.spec.volumeName).toBeUndefined();
    expect(ran.stdout).toContain("DATA IS LOST");

    const services = await plane.api.list("/api/v1/namespaces/shop/services");
    const service = (name: string) => services.find(({ metadata }) => metadata.name === name);
    expect(service("web").spec.clusterIP).toBe("10.96.0.80");
    expect(service("out").spec.ports[0].nodePort).toBe(30080);
    expect(service("none").spec.clusterIP).toBe("None");
    expect(service("lb").status.loadBalancer).toEqual({ ingress: [{ ip: "192.0.2.7" }] });
    expect(service("other").spec.type).toBe("ExternalName");
    const account = await plane.api.get("/api/v1/namespaces/shop/serviceaccounts/default");
    expect(account.imagePullSecrets).toEqual([{ name: "registry" }]);

    const diff = await place.objects(
      "diff",
      backup,
      "live",
      "-n",
      "shop",
      "configmaps,deployments,statefulsets,daemonsets,services,roles,rolebindings,secrets",
      "-o",
      "json",
    );
    const differing = JSON.parse(diff.stdout).differences.filter(
      (d: { kind: string; name: string }) => !d.name.includes("-token-"),
    );
    expect(differing).toEqual([]);

    const again = await place.objects("restore", backup, "-n", "shop", "--yes");
    expect(again.stderr).toContain("nothing was changed");

    const undone = await place.objects("undo", place.undoFile, "--yes");
    expect(undone, `${undone.stdout}${undone.stderr}`).toMatchObject({ code: 0 });
    await place.keyspaceIs(lost);
  });
});

/** Two of the Deployment, one of the StatefulSet, one of nobody. */
async function podsMade(plane: ControlPlane): Promise<void> {
  let names: readonly string[] = [];
  await waitFor(
    "pods to be made",
    async () => {
      const pods = await plane.api.list("/api/v1/namespaces/shop/pods");
      names = pods.filter(({ metadata }) => !metadata.deletionTimestamp).map(({ metadata }) => metadata.name);
      const count = (start: string) => names.filter((name) => name.startsWith(start)).length;
      return count("web-") === 2 && count("db-0") === 1 && count("alone") === 1;
    },
    { explain: () => names.join(", ") },
  );
}

async function namespaceGone(plane: ControlPlane, name: string): Promise<void> {
  await waitFor(
    `namespace ${name} to be gone`,
    async () => (await plane.api.list("/api/v1/namespaces")).every(({ metadata }) => metadata.name !== name),
    { seconds: 60 },
  );
}

async function claimsBound(plane: ControlPlane, names: readonly string[]): Promise<void> {
  let phases: unknown;
  await waitFor(
    `claims ${names.join(", ")} to be bound`,
    async () => {
      const claims = await plane.api.list("/api/v1/namespaces/shop/persistentvolumeclaims");
      phases = claims.map(({ metadata, status }) => [metadata.name, status.phase]);
      return names.every((name) =>
        claims.some(({ metadata, status }) => metadata.name === name && status.phase === "Bound"),
      );
    },
    { seconds: 60, explain: () => JSON.stringify(phases) },
  );
}

const SHOP = `
apiVersion: v1
kind: Namespace
metadata: {name: shop, labels: {team: a}}
---
apiVersion: v1
kind: PersistentVolume
metadata: {name: kept}
spec: {capacity: {storage: 1Gi}, accessModes: [ReadWriteOnce], persistentVolumeReclaimPolicy: Retain, storageClassName: manual, hostPath: {path: /tmp/kept}, claimRef: {namespace: shop, name: kept}}
---
apiVersion: v1
kind: PersistentVolume
metadata: {name: db}
spec: {capacity: {storage: 1Gi}, accessModes: [ReadWriteOnce], persistentVolumeReclaimPolicy: Retain, storageClassName: manual, hostPath: {path: /tmp/db}, claimRef: {namespace: shop, name: data-db-0}}
---
apiVersion: v1
kind: PersistentVolume
metadata: {name: dropped}
spec: {capacity: {storage: 1Gi}, accessModes: [ReadWriteOnce], persistentVolumeReclaimPolicy: Delete, storageClassName: manual, hostPath: {path: /tmp/kubemend-dropped}, claimRef: {namespace: shop, name: dropped}}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: kept, namespace: shop}
spec: {accessModes: [ReadWriteOnce], storageClassName: manual, volumeName: kept, resources: {requests: {storage: 1Gi}}}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: dropped, namespace: shop}
spec: {accessModes: [ReadWriteOnce], storageClassName: manual, volumeName: dropped, resources: {requests: {storage: 1Gi}}}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: settings, namespace: shop}
data: {color: blue}
---
apiVersion: v1
kind: Secret
metadata: {name: registry, namespace: shop}
type: kubernetes.io/dockerconfigjson
stringData: {.dockerconfigjson: '{"auths":{}}'}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: default, namespace: shop}
imagePullSecrets: [{name: registry}]
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: web, namespace: shop}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: reader, namespace: shop}
rules: [{apiGroups: [""], resources: [configmaps], verbs: [get, list]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: reader, namespace: shop}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: reader}
subjects: [{kind: ServiceAccount, name: web, namespace: shop}]
---
apiVersion: v1
kind: ResourceQuota
metadata: {name: quota, namespace: shop}
spec: {hard: {pods: "10", configmaps: "20"}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {serviceAccountName: web, containers: [{name: web, image: "kubemend.test/web:1", envFrom: [{configMapRef: {name: settings}}]}]}
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: db, namespace: shop}
spec:
  replicas: 1
  serviceName: none
  selector: {matchLabels: {app: db}}
  template:
    metadata: {labels: {app: db}}
    spec: {containers: [{name: db, image: "kubemend.test/web:1", volumeMounts: [{name: data, mountPath: /data}]}]}
  volumeClaimTemplates:
  - metadata: {name: data}
    spec: {accessModes: [ReadWriteOnce], storageClassName: manual, resources: {requests: {storage: 1Gi}}}
---
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: agent, namespace: shop}
spec:
  selector: {matchLabels: {app: agent}}
  template:
    metadata: {labels: {app: agent}}
    spec: {containers: [{name: agent, image: "kubemend.test/web:1"}]}
---
apiVersion: v1
kind: Pod
metadata: {name: alone, namespace: shop}
spec: {containers: [{name: alone, image: "kubemend.test/web:1"}]}
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec: {clusterIP: 10.96.0.80, selector: {app: web}, ports: [{protocol: TCP, port: 80, targetPort: 8080}]}
---
apiVersion: v1
kind: Service
metadata: {name: out, namespace: shop}
spec: {type: NodePort, selector: {app: web}, ports: [{protocol: TCP, port: 80, nodePort: 30080}]}
---
apiVersion: v1
kind: Service
metadata: {name: none, namespace: shop}
spec: {clusterIP: None, selector: {app: db}, ports: [{protocol: TCP, port: 80}]}
---
apiVersion: v1
kind: Service
metadata: {name: lb, namespace: shop}
spec: {type: LoadBalancer, selector: {app: web}, ports: [{protocol: TCP, port: 80}]}
---
apiVersion: v1
kind: Service
metadata: {name: other, namespace: shop}
spec: {type: ExternalName, externalName: example.com}
---
apiVersion: policy/v1beta1
kind: PodDisruptionBudget
metadata: {name: web, namespace: shop}
spec: {minAvailable: 1, selector: {matchLabels: {app: web}}}
---
apiVersion: autoscaling/v1
kind: HorizontalPodAutoscaler
metadata: {name: web, namespace: shop}
spec: {maxReplicas: 2, minReplicas: 2, scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: web}}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: web, namespace: shop}
spec: {rules: [{host: shop.example.com, http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: web, port: {number: 80}}}}]}}]}
`;
