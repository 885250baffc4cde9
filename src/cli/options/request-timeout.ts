/** `--request-timeout`, and the line for an API server that is slow to answer. */
import type { ApiManners } from "../../operations/cluster-access/open-cluster.ts";
import type { Host } from "../host.ts";
import { duration } from "./flag.ts";

/** As kubectl's: `5s`, `2m`; `0` for no limit. */
export const REQUEST_TIMEOUT_FLAG = duration(
  "--request-timeout <time>",
  "for one request to the API server, 0 for no limit (default: 30s, and more while a long answer keeps coming)",
  { least: "0" },
);

export function apiManners(host: Host, requestTimeoutMs: number | undefined): ApiManners {
  return {
    requestTimeoutMs,
    onSilence: ({ host: server, limitSeconds }) => {
      const limit = Number.isFinite(limitSeconds) ? `; waiting up to ${limitSeconds} s (--request-timeout)` : "";
      void host.stderr.write(`no answer yet from the API server at "${server}"${limit}\n`);
    },
  };
}
