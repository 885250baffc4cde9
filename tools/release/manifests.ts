/** What package managers read: krew's manifest and a formula of Homebrew. */

interface Artifact {
  readonly url: string;
  readonly sha256: string;
}

/** By `OS-ARCHITECTURE` as Go names them, such as `linux-amd64`: archives with `kubemend` and `kubectl_complete-mend` in them. */
export type Artifacts = Readonly<Record<string, Artifact>>;

interface Described {
  readonly version: string;
  readonly summary: string;
  readonly homepage: string;
}

/** Source: krew's plugin manifest, `krew.googlecontainertools.github.com/v1alpha2`. */
export function krewManifest({ version, summary, homepage }: Described, artifacts: Artifacts): string {
  const platforms = Object.entries(artifacts).map(([platform, { url, sha256 }]) => {
    const [os, arch] = platform.split("-");
    return `  - selector:
      matchLabels:
        os: ${os}
        arch: ${arch}
    uri: ${url}
    sha256: ${sha256}
    bin: kubemend
    files:
      - from: kubemend
        to: .
      - from: kubectl_complete-mend
        to: .
      - from: LICENSE
        to: .
`;
  });
  return `apiVersion: krew.googlecontainertools.github.com/v1alpha2
kind: Plugin
metadata:
  name: mend
spec:
  version: v${version}
  homepage: ${homepage}
  shortDescription: ${summary}
  description: |
    kubectl mend diagnoses a control plane that does not work, and brings it back: from what still runs, or offline from an etcd backup.
  caveats: |
    Commands that repair a node run on that node, as root: put the executable there before you need it.
    Completion: link kubectl_complete-mend of this plugin's folder into a directory of your PATH.
  platforms:
${platforms.join("")}`;
}

export function homebrewFormula({ version, summary, homepage }: Described, artifacts: Artifacts): string {
  const blocks = Object.entries(artifacts).map(([platform, { url, sha256 }]) => {
    const [os, arch] = platform.split("-");
    return `  on_${os === "darwin" ? "macos" : os} do
    on_${arch === "arm64" ? "arm" : "intel"} do
      url "${url}"
      sha256 "${sha256}"
    end
  end
`;
  });
  return `class Kubemend < Formula
  desc "${summary}"
  homepage "${homepage}"
  version "${version}"
  license "Apache-2.0"

${blocks.join("\n")}
  def install
    bin.install "kubemend"
    bin.install_symlink "kubemend" => "kubectl-mend"
    generate_completions_from_executable(bin/"kubemend", "completion")
  end

  test do
    assert_match version.to_s, shell_output("#{bin}/kubemend --version")
  end
end
`;
}
