/** Many pods from the bytes of a real one: names, uids and the node are exchanged for others of the same length, so every pod decodes. */

/** What is unique about one pod. Every value has the length of the original's. */
export interface PodNames {
  /** 11 characters. */
  readonly namespace: string;
  /** 14 characters: the workload, which its containers and labels carry too. */
  readonly workload: string;
  /** 10 characters: the ReplicaSet's hash. */
  readonly hash: string;
  /** 5 characters. */
  readonly suffix: string;
  /** 36 characters each. */
  readonly uid: string;
  readonly ownerUid: string;
  /** 5 characters. */
  readonly node: string;
}

/** What `bench/kubernetes-objects.jsonl.gz` holds: a scheduler that a kubelet ran, with its status and managed fields. */
export const POD_KEY = "/registry/pods/kube-system/kube-scheduler-6fdb6d4c54-mpjd5";
const ORIGINAL: PodNames = {
  namespace: "kube-system",
  workload: "kube-scheduler",
  hash: "6fdb6d4c54",
  suffix: "mpjd5",
  uid: "d5703d15-046c-4633-933f-df98a945b6fc",
  ownerUid: "1e138833-4b16-442c-bbe6-9f0133ae35a5",
  node: "node1",
};

export interface PodTemplate {
  readonly value: Uint8Array;
  /** Overwrites {@link value} with another pod's names. */
  fill(names: PodNames): void;
}

export function createPodTemplate(original: Uint8Array): PodTemplate {
  const value = Buffer.from(original);
  const places = (Object.keys(ORIGINAL) as (keyof PodNames)[]).map((field) => {
    const offsets: number[] = [];
    for (let at = value.indexOf(ORIGINAL[field]); at >= 0; at = value.indexOf(ORIGINAL[field], at + 1))
      offsets.push(at);
    if (offsets.length === 0) throw new Error(`the original pod has no ${field} "${ORIGINAL[field]}"`);
    return { field, offsets };
  });
  return {
    value,
    fill(names) {
      for (const { field, offsets } of places) {
        const text = names[field];
        if (text.length !== ORIGINAL[field].length) throw new Error(`${field} "${text}" has another length`);
        for (const at of offsets) value.write(text, at, "latin1");
      }
    },
  };
}

export function podKey(names: PodNames): string {
  return `/registry/pods/${names.namespace}/${names.workload}-${names.hash}-${names.suffix}`;
}
