/**
 * With self-hosted etcd the API server also dials the boot member, on the same node: the permanent members come back
 * only once it runs. As in bootkube, the other endpoints stay, so that it continues when the boot member has handed over.
 */
import { containerIndexOf } from "../kube/component.ts";
import { addFlag, changeFlag, flagValue, runsThroughShell } from "../kube/container-flags.ts";
import { objectsOf } from "../kube/fields.ts";
import type { JsonObject } from "../kube/object.ts";
import { BOOTSTRAP_SECRETS_DIR, type BootEtcd, type FixUpContext } from "./fix-up.ts";

const CLIENT_FLAGS = [
  ["etcd-cafile", "etcd-client-ca.crt"],
  ["etcd-certfile", "etcd-client.crt"],
  ["etcd-keyfile", "etcd-client.key"],
] as const;
const VOLUME = "etcd-client-tls";
const MOUNT_PATH = "/etcd-client-tls";

export function dialBootEtcd(podSpec: JsonObject, context: FixUpContext): JsonObject {
  const { bootEtcd } = context;
  if (bootEtcd === undefined || context.component !== "kube-apiserver") return podSpec;
  const index = containerIndexOf("kube-apiserver", podSpec);
  const container = objectsOf(podSpec.containers)[index];
  const servers = container === undefined ? undefined : flagValue(container, "etcd-servers");
  if (container === undefined || servers === undefined) {
    context.note("etcd-servers-not-set", `it has no --etcd-servers to extend: add --etcd-servers=${bootEtcd.url}`);
    return podSpec;
  }
  const dialing = changeFlag(container, "etcd-servers", (old) =>
    old.split(",").includes(bootEtcd.url) ? old : `${old},${bootEtcd.url}`,
  );
  const { changed, volumes } = withClientTls(dialing, bootEtcd, context);
  return {
    ...podSpec,
    containers: objectsOf(podSpec.containers).map((each, i) => (i === index ? changed : each)),
    volumes: [...objectsOf(podSpec.volumes), ...volumes],
  };
}

/** The boot member asks for a client certificate. An API server that dialed etcd without one gets etcd-operator's. */
function withClientTls(
  container: JsonObject,
  bootEtcd: BootEtcd,
  context: FixUpContext,
): { readonly changed: JsonObject; readonly volumes: readonly JsonObject[] } {
  if (!bootEtcd.isTls || CLIENT_FLAGS.every(([flag]) => flagValue(container, flag) !== undefined)) {
    return { changed: container, volumes: [] };
  }
  if (runsThroughShell(container)) {
    context.note(
      "etcd-tls-not-set",
      "a shell starts it, and it has no certificate for etcd: add --etcd-cafile, --etcd-certfile and --etcd-keyfile",
    );
    return { changed: container, volumes: [] };
  }
  let changed = container;
  for (const [flag, file] of CLIENT_FLAGS) {
    const path = `${MOUNT_PATH}/${file}`;
    changed =
      flagValue(changed, flag) === undefined ? addFlag(changed, flag, path) : changeFlag(changed, flag, () => path);
  }
  const volumes = CLIENT_FLAGS.map(([, file], i) => ({
    name: `${VOLUME}-${i}`,
    hostPath: { path: `${BOOTSTRAP_SECRETS_DIR}/${file}`, type: "File" },
  }));
  const mounts = CLIENT_FLAGS.map(([, file], i) => ({
    mountPath: `${MOUNT_PATH}/${file}`,
    name: `${VOLUME}-${i}`,
    readOnly: true,
  }));
  return { changed: { ...changed, volumeMounts: [...objectsOf(changed.volumeMounts), ...mounts] }, volumes };
}
