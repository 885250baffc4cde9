/**
 * Whether the kubeconfig among the assets and the API server that they start fit each other, judged by their
 * certificates before anything runs. They do not where the assets were recovered from one cluster with the kubeconfig
 * of another.
 */

import { clientFaults, readCertificates, serverFaults } from "../certificates/faults.ts";
import { hostPathOf } from "../controlplane/host-files.ts";
import { defined } from "../errors/defined.ts";
import { containerIndexOf } from "../kube/component.ts";
import { flagValue } from "../kube/container-flags.ts";
import { objectOf, objectsOf } from "../kube/fields.ts";
import type { JsonObject } from "../kube/object.ts";
import { BOOTSTRAP_SECRETS_DIR } from "./fix-up.ts";
import type { AssetFile, StartPlan } from "./start-plan.ts";

/** How the kubeconfig reaches the API server. */
export interface AssetAccess {
  /** The name or address that the API server's certificate has to be for, without brackets. */
  readonly host: string;
  /** PEM. Undefined: the system's, or none that matters. */
  readonly ca: string | undefined;
  /** PEM; undefined where it has a token, or nothing. */
  readonly certificate: string | undefined;
}

/** A sentence for each misfit. What is on the host's disk and not among the assets cannot be judged, and is not. */
export function accessProblems(plan: Pick<StartPlan, "pods" | "secrets">, access: AssetAccess, now: number): string[] {
  const manifest = plan.pods.find(({ component }) => component === "kube-apiserver");
  if (manifest === undefined) return [];
  const spec = objectOf(manifest.pod.spec);
  const container = defined(objectsOf(spec.containers)[containerIndexOf("kube-apiserver", spec)]);
  const named = (flag: string) => assetOf(flagValue(container, flag), container, spec, plan.secrets);
  return [...serverProblems(named, container, access, now), ...clientProblems(named("client-ca-file"), access, now)];
}

function serverProblems(
  named: (flag: string) => AssetFile | undefined,
  container: JsonObject,
  { host, ca }: AssetAccess,
  now: number,
): string[] {
  const shown = named("tls-cert-file");
  // With several certificates the one shown depends on the name that it is called by.
  if (ca === undefined || shown === undefined || flagValue(container, "tls-sni-cert-key") !== undefined) return [];
  const faults = serverFaults(readCertificates(shown.bytes), { host, authorities: readCertificates(ca), now });
  return faults.map(({ text }) => `the API server's certificate, tls/${shown.path}, ${text}`);
}

function clientProblems(asked: AssetFile | undefined, { certificate }: AssetAccess, now: number): string[] {
  const [own] = certificate === undefined ? [] : readCertificates(certificate);
  if (own === undefined || asked === undefined) return [];
  const faults = clientFaults(own, { authorities: readCertificates(asked.bytes), now });
  return faults.map(({ text }) => `its client certificate ${text}`);
}

/** The asset that is at a path of the container. */
function assetOf(
  inside: string | undefined,
  container: JsonObject,
  spec: JsonObject,
  secrets: readonly AssetFile[],
): AssetFile | undefined {
  const path = inside === undefined ? undefined : hostPathOf(inside, container, spec);
  if (path === undefined || !path.startsWith(`${BOOTSTRAP_SECRETS_DIR}/`)) return undefined;
  return secrets.find((file) => file.path === path.slice(BOOTSTRAP_SECRETS_DIR.length + 1));
}
