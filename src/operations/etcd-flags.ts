/** What a command line says about reaching etcd; `io/etcd-connection.ts` makes something of it. */
export type { EtcdFlags } from "../io/etcd-connection.ts";
