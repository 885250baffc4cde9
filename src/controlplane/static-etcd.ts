/** The etcd members that static pods run, by their own flags and variables: what restoring their data takes. */
import { containerIndexOf } from "../kube/component.ts";
import { containerFlags, flagValue } from "../kube/container-flags.ts";
import { objectOf, objectsOf, textOf } from "../kube/fields.ts";
import type { JsonObject } from "../kube/object.ts";
import type { ControlPlaneFacts } from "./control-plane.ts";
import { hostPathOf } from "./host-files.ts";

export interface StaticEtcdMember {
  readonly node: string;
  readonly name: string;
  /** Where other members reach the member: one, or several with commas between them. */
  readonly peerUrl: string;
  /** On the host. */
  readonly dataDir: string;
  /** Where its log is, on the host; undefined where it is in the data directory. */
  readonly walDir: string | undefined;
}

/** A member of which its pod does not say everything. */
interface UnclearEtcdMember {
  readonly node: string;
  /** What is not said, such as `name`. */
  readonly lacking: readonly string[];
}

type Pods = Pick<ControlPlaneFacts, "nodes">;

/** Sorted by node. A member whose pod does not say all of it is left out: its restore is for a person to plan. */
export function staticEtcdMembers({ nodes }: Pods): StaticEtcdMember[] {
  return membersOf({ nodes }).flatMap((found) => ("lacking" in found ? [] : [found]));
}

/** Those that {@link staticEtcdMembers} leaves out. */
export function unclearEtcdMembers({ nodes }: Pods): UnclearEtcdMember[] {
  return membersOf({ nodes }).flatMap((found) => ("lacking" in found ? [found] : []));
}

function membersOf({ nodes }: Pods): (StaticEtcdMember | UnclearEtcdMember)[] {
  return nodes.flatMap((node) =>
    node.pods
      .filter(({ component }) => component === "etcd")
      .map(({ mirrorPod }): StaticEtcdMember | UnclearEtcdMember => {
        const spec = objectOf(mirrorPod.spec);
        const container = objectsOf(spec.containers)[containerIndexOf("etcd", spec)] ?? {};
        const name = etcdSetting(container, "name");
        const peerUrl = etcdSetting(container, "initial-advertise-peer-urls");
        const { dataDir, walDir } = etcdDirectoriesOn(container, spec);
        if (name !== undefined && peerUrl !== undefined && dataDir !== undefined)
          return { node: node.name, name, peerUrl, dataDir, walDir };
        const said = { name, "initial-advertise-peer-urls": peerUrl, "data-dir": dataDir };
        return {
          node: node.name,
          lacking: Object.entries(said).flatMap(([each, value]) => (value === undefined ? [each] : [])),
        };
      }),
  );
}

/** What a container of etcd is started with; undefined for what it does not say. */
export interface EtcdSettings {
  readonly name: string | undefined;
  readonly peerUrls: readonly string[];
  readonly clientUrls: readonly string[];
  /** On the host. */
  readonly dataDir: string | undefined;
  readonly walDir: string | undefined;
  /** It makes a cluster of its own of its data at every start. */
  readonly forcesNewCluster: boolean;
}

export function etcdSettings(container: JsonObject, spec: JsonObject): EtcdSettings {
  const urls = (flag: string): string[] => etcdSetting(container, flag)?.split(",") ?? [];
  const forced = containerFlags(container).findLast(({ name }) => name === "force-new-cluster");
  return {
    name: etcdSetting(container, "name"),
    peerUrls: urls("initial-advertise-peer-urls"),
    clientUrls: urls("advertise-client-urls"),
    ...etcdDirectoriesOn(container, spec),
    forcesNewCluster:
      forced === undefined ? etcdSetting(container, "force-new-cluster") === "true" : forced.value !== "false",
  };
}

/**
 * What a setting of etcd is, by its flag, else by its variable (`ETCD_NAME` for `name`). Undefined also for a value that
 * the kubelet or a shell completes when it starts (`$(NODE_NAME)`).
 */
function etcdSetting(container: JsonObject, flag: string): string | undefined {
  const variable = `ETCD_${flag.toUpperCase().replaceAll("-", "_")}`;
  const given = objectsOf(container.env).findLast(({ name }) => name === variable)?.value;
  const value = flagValue(container, flag) ?? (given === undefined ? undefined : textOf(given));
  return value === undefined || value === "" || value.includes("$") ? undefined : value;
}

/** Where a container of etcd has its data and its log on the host; undefined where that is in no directory of the host. */
function etcdDirectoriesOn(
  container: JsonObject,
  spec: JsonObject,
): { readonly dataDir: string | undefined; readonly walDir: string | undefined } {
  const place = (flag: string): string | undefined => {
    const inside = etcdSetting(container, flag);
    if (inside === undefined) return undefined;
    return hostPathOf(inside.replace(/(?<=.)\/+$/, ""), container, spec);
  };
  return { dataDir: place("data-dir"), walDir: place("wal-dir") };
}
