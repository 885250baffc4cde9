/** Every reader of something from outside. Whoever adds one lists it here. */
import type { FuzzTarget } from "./target.ts";
import { ETCD_FILE_TARGETS } from "./targets/etcd-files.ts";
import { OWN_FORMAT_TARGETS } from "./targets/own-formats.ts";
import { SECRET_FILE_TARGETS } from "./targets/secret-files.ts";
import { SERVER_TARGETS } from "./targets/servers.ts";
import { SMALL_TEXT_TARGETS } from "./targets/small-texts.ts";
import { STORED_VALUE_TARGETS } from "./targets/stored-values.ts";
import { PROGRAM_TARGETS } from "./targets/whole-programs.ts";

export const FUZZ_TARGETS: readonly FuzzTarget[] = [
  ...ETCD_FILE_TARGETS,
  ...STORED_VALUE_TARGETS,
  ...OWN_FORMAT_TARGETS,
  ...SECRET_FILE_TARGETS,
  ...SMALL_TEXT_TARGETS,
  ...SERVER_TARGETS,
  ...PROGRAM_TARGETS,
];
