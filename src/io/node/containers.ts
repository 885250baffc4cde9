/** The containers of a node, as every runtime gives them. */

export interface NodeContainer {
  readonly id: string;
  /** `NAMESPACE/POD/CONTAINER`, or `NAMESPACE/POD` of a sandbox. */
  readonly title: string;
  readonly sandbox: boolean;
  readonly running: boolean;
}

export interface NodeContainers {
  /** Such as `containerd v1.6.20`. */
  readonly runtime: string;
  list(): Promise<NodeContainer[]>;
  /** Asks it to end, and ends it when it has not after `graceSeconds`. */
  stop(container: NodeContainer, graceSeconds: number): Promise<void>;
  remove(container: NodeContainer): Promise<void>;
  close(): void;
}
