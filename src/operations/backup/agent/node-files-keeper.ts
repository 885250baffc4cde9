/** Keeps the node's files in the repository: a link when they have changed, looked at every now and then. */
import { MendError } from "../../../errors/errors.ts";
import { readNodeFiles } from "../../../io/node/control-plane-files.ts";
import { sealBytes } from "../../../io/repository/seal.ts";
import { encodeNodeFiles } from "../../../repository/node-files.ts";
import type { WritableRepository } from "../open-for-writing.ts";
import type { AgentOptions } from "./agent-options.ts";
import type { AgentReporter } from "./agent-report.ts";

const EVERY_MS = 5 * 60_000;

export interface NodeFilesKeeper {
  keepIfDue(): Promise<void>;
}

export function createNodeFilesKeeper(
  writable: WritableRepository,
  { nodeFiles, writer, clock, log }: AgentOptions,
  report: AgentReporter,
): NodeFilesKeeper {
  let lookedAt = Number.NEGATIVE_INFINITY;
  let kept: string | undefined;
  return {
    async keepIfDue() {
      if (nodeFiles.length === 0 || clock() - lookedAt < EVERY_MS) return;
      lookedAt = clock();
      try {
        const { files, skipped } = await readNodeFiles(nodeFiles);
        const plain = encodeNodeFiles({ node: writer, files: [...files] });
        // Only who has the key can tell from it what the files are.
        const fingerprint = writable.key.fingerprint(plain);
        const known = kept ?? newestFingerprint(writable, writer);
        if (fingerprint !== known && files.length > 0) {
          const { bytes, content } = await sealBytes(plain, writable.repository.description.recipients);
          await writable.appender.append(
            { kind: "node", node: writer, files: files.length, fingerprint, content },
            bytes,
          );
          log("info", "the node's files are stored", { files: files.length });
          for (const { path, reason } of skipped) log("warn", "a file is left out", { path, reason });
        }
        kept = fingerprint;
        report.end("node-files");
      } catch (error) {
        if (!(error instanceof MendError) || error.code === "internal") throw error;
        report.begin("node-files", `the node's files are not stored: ${error.message}`);
      }
    },
  };
}

function newestFingerprint({ links }: WritableRepository, node: string): string | undefined {
  const link = links.findLast(({ signed: { head } }) => head.kind === "node" && head.node === node);
  const head = link?.signed.head;
  return head?.kind === "node" ? head.fingerprint : undefined;
}
