/** What the node agent asks of an API server. */
import type { ClusterApi } from "../api-server/cluster-api.ts";

export type AgentApi = Pick<ClusterApi, "access" | "remoteAddress" | "get" | "create" | "list" | "watch" | "close">;
