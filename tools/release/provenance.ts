/** From which sources and how the files of a release were made: an in-toto statement with SLSA's provenance, version 1. */

interface Subject {
  readonly name: string;
  readonly sha256: string;
}

interface Build {
  /** Where the sources are. */
  readonly repository: string;
  readonly commit: string;
  readonly version: string;
  /** The Node that built it, such as `v26.10.0`. */
  readonly node: string;
}

/** Source: https://slsa.dev/spec/v1.0/provenance and in-toto's attestation framework. */
export function provenance(subjects: readonly Subject[], { repository, commit, version, node }: Build): string {
  const statement = {
    _type: "https://in-toto.io/Statement/v1",
    subject: subjects.map(({ name, sha256 }) => ({ name, digest: { sha256 } })),
    predicateType: "https://slsa.dev/provenance/v1",
    predicate: {
      buildDefinition: {
        buildType: `${repository}/blob/${commit}/tools/release/main.ts`,
        externalParameters: { command: "npm run release", version },
        resolvedDependencies: [
          { uri: `git+${repository}`, digest: { gitCommit: commit } },
          { uri: "pkg:generic/node", annotations: { version: node } },
        ],
      },
      runDetails: { builder: { id: `${repository}/blob/${commit}/.github/workflows/release.yaml` } },
    },
  };
  return `${JSON.stringify(statement, null, 2)}\n`;
}
