/** What a command line says about reaching etcd; `io/etcd/etcd-connection.ts` makes something of it. */
export type { EtcdFlags } from "../../io/etcd/etcd-connection.ts";
