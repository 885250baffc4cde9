/** Which images this machine does not have, so that its kubelet has to pull them before a pod can start. */

import { MendError } from "../../errors/errors.ts";
import { findRuntimeEndpoint, openContainerRuntime } from "../../io/node/container-runtime.ts";
import type { LocalKubelet } from "../../io/node/local-node.ts";

/** More than enough for a socket of this machine. */
const TIMEOUT_MS = 3000;

/**
 * Undefined where the container runtime cannot be asked: it is the kubelet's, and a kubelet that has a way of its own
 * to it does without us.
 */
export async function absentImages(
  kubelet: LocalKubelet | undefined,
  images: Iterable<string>,
  signal: AbortSignal,
): Promise<string[] | undefined> {
  const endpoint = findRuntimeEndpoint(kubelet);
  if (endpoint === undefined) return undefined;
  try {
    const runtime = await openContainerRuntime(endpoint, { timeout: TIMEOUT_MS, signal });
    try {
      const absent: string[] = [];
      for (const image of new Set(images)) if ((await runtime.imageStatus(image)) === undefined) absent.push(image);
      return absent.sort();
    } finally {
      runtime.close();
    }
  } catch (error) {
    if (!(error instanceof MendError)) throw error;
    return undefined;
  }
}
