/**
 * Adds nine links to a repository and joins them to bundles of four, as the backup agent does; run as a program, so that
 * it can be recorded.
 */
import { join } from "node:path";
import { sealBytes } from "../../src/io/repository/seal.ts";
import { createBundler } from "../../src/io/repository/write-bundles.ts";
import { openForWriting } from "../../src/operations/backup/open-for-writing.ts";
import { encodeNodeFiles } from "../../src/repository/node-files.ts";

const LINKS = 9;

export async function appendLinks(directory: string, signingKeyFile: string): Promise<void> {
  const access = { env: {}, cwd: directory, signingKeyFile, writer: "node-1", now: () => Date.UTC(2026, 10, 29) };
  const { repository, appender, key } = await openForWriting(join(directory, "repository"), access);
  try {
    const bundler = createBundler(repository, [], [4]);
    for (let i = 0; i < LINKS; i++) {
      const plain = encodeNodeFiles({ node: "node-1", files: [] });
      const { bytes, content } = await sealBytes(plain, repository.description.recipients);
      const fingerprint = key.fingerprint(plain);
      await appender.append({ kind: "node", node: "node-1", files: 0, fingerprint, content }, bytes);
      await bundler.writeNext(1, appender.tip.sequence);
    }
  } finally {
    await repository.store.close();
  }
}

if (process.argv[1] === import.meta.filename) {
  const [directory, signingKeyFile] = process.argv.slice(2);
  await appendLinks(directory!, signingKeyFile!);
  process.stdout.write("stored\n");
}
