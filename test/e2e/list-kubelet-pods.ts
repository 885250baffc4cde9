/**
 * `node list-kubelet-pods.ts [KUBECONFIG]`: the pods that the kubelet of this machine lists, as JSON; by its read-only
 * port where no kubeconfig is given.
 */

import { readKubeconfig } from "../../src/io/api-server/kubeconfig.ts";
import { readKubeletPods } from "../../src/io/node/kubelet.ts";

const [kubeconfig] = process.argv.slice(2);
const access = kubeconfig === undefined ? undefined : readKubeconfig(kubeconfig);
process.stdout.write(JSON.stringify(await readKubeletPods({ host: "127.0.0.1", access })));
