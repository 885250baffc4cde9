/**
 * The machine on which a start runs: its kubelet, its containers and their logs, its ports. A start is given one, so
 * that tests run it without a kubelet.
 */
import { hostname } from "node:os";
import { type RecoveredEtcdPlaces, recoveredEtcdPlaces } from "../../io/etcd/recovered-etcd-files.ts";
import { dials } from "../../io/network/dials.ts";
import {
  findKubelet,
  hasLogged,
  isSameDirectory,
  type LocalKubelet,
  listenerOf,
  ownAddresses,
  podLog,
  programRuns,
  runningContainers,
  staticPodContainers,
  staticPodLog,
} from "../../io/node/local-node.ts";
import { absentImages } from "./absent-images.ts";

export interface StartMachine {
  readonly hostname: string;
  /** The kubelet that runs here. */
  readonly findKubelet: () => LocalKubelet | undefined;
  readonly isSameDirectory: (a: string, b: string) => boolean;
  /** Ids of the containers that have processes here. */
  readonly runningContainers: () => ReadonlySet<string>;
  /** Ids of the containers that a static pod has had here, by the name of its mirror pod. */
  readonly staticPodContainers: (namespace: string, mirrorPod: string) => readonly string[];
  /** The last lines that a static pod has logged since then; undefined where none of its containers has started. */
  readonly staticPodLog: (
    namespace: string,
    pod: string,
    node: string,
    lines: number,
    since: number,
  ) => readonly string[] | undefined;
  readonly podLog: (namespace: string, pod: string, uid: string, lines: number) => readonly string[] | undefined;
  /** Whether a container of a static pod that runs now has logged something since it started. */
  readonly hasLogged: (namespace: string, mirrorPod: string, what: RegExp) => boolean;
  /** Whether a program runs here outside of these containers. */
  readonly programRuns: (program: string, except: ReadonlySet<string>) => boolean;
  /** Who listens on a TCP port; undefined where nobody does. */
  readonly listenerOf: (port: number) => string | undefined;
  readonly ownAddresses: () => ReadonlySet<string>;
  /** Images that the container runtime does not have, sorted; undefined where it cannot be asked. */
  readonly absentImages: (
    kubelet: LocalKubelet,
    images: Iterable<string>,
    signal: AbortSignal,
  ) => Promise<readonly string[] | undefined>;
  /** Whether somebody accepts a connection at a URL's host and port. A name that this machine cannot resolve counts as an answer. */
  readonly dials: (url: string) => Promise<boolean>;
  /** Where the files of an etcd are that a start brings back. */
  readonly etcdPlaces: (podManifestPath: string) => RecoveredEtcdPlaces;
}

export function thisMachine(): StartMachine {
  return {
    hostname: hostname(),
    findKubelet,
    isSameDirectory,
    runningContainers,
    staticPodContainers,
    staticPodLog,
    podLog,
    hasLogged,
    programRuns,
    listenerOf,
    ownAddresses,
    absentImages,
    dials: (url) => dials(url, 2379),
    etcdPlaces: recoveredEtcdPlaces,
  };
}
