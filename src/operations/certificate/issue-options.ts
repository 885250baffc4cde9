/** What `certificate issue` is asked for, and what comes of it. */
import type { NodeIdentity } from "../../certificates/kubeadm.ts";
import { MendError } from "../../errors/errors.ts";
import type { FoundIdentity } from "../../io/files/kubeadm-identity.ts";
import type { CertificatePlaces, CertificateState } from "./list-certificates.ts";

export interface IssueOptions extends CertificatePlaces {
  /** Names as `certificate list` has them; empty for everything that is missing, unreadable, or without its key. */
  readonly names: readonly string[];
  /** What the node's own files do not say, or say wrongly. */
  readonly given: { readonly [Field in keyof NodeIdentity]?: NodeIdentity[Field] | undefined } & {
    readonly endpoint?: string | undefined;
    readonly port?: number | undefined;
  };
  /** A directory for the kubeconfig of another node's kubelet, which is all that is made then. */
  readonly to?: string | undefined;
  readonly days: number;
  readonly dryRun: boolean;
  readonly now: number;
  /** Where no names are given: what is recreated; everything that is lost in some way unless given. */
  readonly states?: readonly CertificateState[];
}

/** A fact that certificates need and no file contains. */
export type MissingFact = keyof NodeIdentity | "endpoint";

export interface Issued {
  readonly name: string;
  readonly file: string;
  readonly subject: string;
  /** RFC 3339; null for what is no certificate. */
  readonly notAfter: string | null;
  /** Where the file that was there is kept; null where there was none, and in a dry run. */
  readonly kept: string | null;
}

export interface IssueResult {
  readonly issued: readonly Issued[];
  /** What could not be made, since the key of its authority is lost. */
  readonly lost: readonly { readonly name: string; readonly file: string; readonly why: string }[];
  readonly identity: FoundIdentity;
}

/** Facts that are needed and that nobody has given. */
export class MissingFacts extends MendError {
  readonly missing: readonly MissingFact[];
  constructor(missing: readonly MissingFact[]) {
    super(
      "config-invalid",
      `not known of this node, by none of its files: ${missing.map((each) => FACTS[each]).join(", ")}`,
    );
    this.missing = missing;
  }
}

const FACTS: Readonly<Record<MissingFact, string>> = {
  node: "its name",
  address: "the address of its API server",
  serviceAddress: "the network of services",
  domain: "the cluster's domain",
  otherNames: "other names of the API server",
  minor: "the version of Kubernetes",
  endpoint: "the control plane's endpoint",
};
