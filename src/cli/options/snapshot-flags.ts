/** What commands that read a backup have in common. */
import { argument } from "./define-command.ts";
import { repeated, wholeNumber, words } from "./flag.ts";
import { snapshotKinds, snapshotMoments, snapshotNames } from "./live-values.ts";

export const SNAPSHOT_ARGUMENT = argument(
  "<file>",
  "snapshot, raw database, or an archive of one (.gz, .zst, .zip); FILE@REVISION; or a moment of a backup " +
    "repository: REPOSITORY@latest, @TIME or @REVISION",
  snapshotMoments,
);

/** For whatever reads a moment of a repository. */
export const IDENTITY_FLAG = words(
  "--identity <file>",
  "opens an encrypted backup repository (default: $KUBEMEND_BACKUP_IDENTITY)",
);

export const AT_REVISION_FLAG = wholeNumber("--at-revision <revision>", "as it was at an earlier revision", {
  least: 1,
});

export const ETCD_PREFIX_FLAG = words("--etcd-prefix <prefix>", "where the cluster lives in etcd (default: found)");

export const ENCRYPTION_FLAG = words(
  "--encryption-config <file>",
  "the API server's EncryptionConfiguration (its --encryption-provider-config), to read encrypted objects",
);

export const ALLOW_FLAG = repeated("--allow <code>", "continue in spite of findings with this code");

/** After the file: kinds, then names. */
export const KIND_ARGUMENT = argument("<type>", "TYPE, TYPE/NAME, or several types with commas", snapshotKinds);
export const NAMES_ARGUMENT = argument("[name...]", "names, or more TYPE/NAME", snapshotNames);
