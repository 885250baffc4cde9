/** What commands that change nodes have in common. */
import { oneOf } from "./flag.ts";

/** `--dry-run`, `--dry-run=client|server`, as kubectl has it. */
export const NODE_DRY_RUN_FLAG = oneOf(
  "--dry-run [mode]",
  ["none", "client", "server"],
  "change nothing: say what would be done, or have the API server check it",
  { default: "none", preset: "client" },
);
