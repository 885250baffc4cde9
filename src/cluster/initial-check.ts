/**
 * Whether an etcd asks its peers for their hash before it serves anybody, by its manifest's text: kubeadm's does, by
 * `--experimental-initial-corrupt-check` with etcd 3.5, by `--feature-gates=InitialCorruptCheck=true` since 3.6. Members
 * that start at the same time wait for each other then, until their requests time out: 7 s for each peer by default,
 * and more with longer election timeouts.
 */
export function checksPeersAtStart(manifest: string): boolean {
  return /--experimental-initial-corrupt-check(?!=false)|InitialCorruptCheck=true/.test(manifest);
}
