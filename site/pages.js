/** Which Markdown files are pages, where they go, and how the navigation lists them. */
import { globSync, readFileSync } from "node:fs";
import { join, posix } from "node:path";

export const ROOT = join(import.meta.dirname, "..");

const PAGES = ["README.md", "SECURITY.md", "CONTRIBUTING.md", "CODE_OF_CONDUCT.md", "CHANGELOG.md", "docs/**/*.md"];

/** The navigation: a group's title and its pages; those of `docs` that no group names are reached by links and the search. */
export const GROUPS = [
  ["", ["README.md", "docs/start-here.md", "docs/before-the-night.md"]],
  [
    "Disasters",
    [
      "api-servers",
      "scheduler-or-controller-manager",
      "etcd-quorum",
      "all-control-plane-nodes",
      "one-control-plane-node",
      "worker",
      "certificates",
      "namespace-deleted",
      "restored-and-strange",
    ].map((name) => `docs/disasters/${name}.md`),
  ],
  [
    "Guides",
    [
      "diagnose",
      "restore-a-cluster",
      "recover-a-control-plane",
      "start-a-cluster",
      "rescue-scheduler-and-controller-manager",
      "back-up-and-restore-etcd",
      "back-up-continuously",
      "give-back-objects",
      "read-a-snapshot",
      "serve-a-backup",
      "certificates",
      "maintain-nodes",
      "clean-up-a-node",
      "keep-a-node-recoverable",
      "protect-static-pods",
    ].map((name) => `docs/${name}.md`),
  ],
  [
    "Reference",
    [
      "install",
      "reach-a-cluster",
      "permissions",
      "risks",
      "compatibility",
      "codes",
      "json-output",
      "library",
      "release",
    ].map((name) => `docs/${name}.md`),
  ],
  [
    "Project",
    [
      "docs/architecture.md",
      "docs/adr/README.md",
      "docs/formats/README.md",
      "docs/reliability.md",
      "docs/performance.md",
      "docs/threat-model.md",
      "SECURITY.md",
      "CONTRIBUTING.md",
      "CHANGELOG.md",
    ],
  ],
];

/** `docs/formats` has no page of its own: its files are listed. */
function formatsPage() {
  const files = globSync("docs/formats/*.md", { cwd: ROOT }).sort();
  const lines = files.map((path) => `- [${titleOf(readFileSync(join(ROOT, path), "utf8"))}](${posix.basename(path)})`);
  return { path: "docs/formats/README.md", text: `# File formats\n\n${lines.join("\n")}\n` };
}

export function allPages() {
  const paths = PAGES.flatMap((pattern) => globSync(pattern, { cwd: ROOT })).sort();
  const pages = paths.map((path) => ({ path, text: readFileSync(join(ROOT, path), "utf8") }));
  return pages.some(({ path }) => path === "docs/formats/README.md") ? pages : [...pages, formatsPage()];
}

export function titleOf(text) {
  return (/^# (.*)$/m.exec(text)?.[1] ?? "kubemend").replaceAll("`", "");
}

/** Of a Markdown file, or a folder's page: `docs/adr/README.md` and `docs/adr` are both `docs/adr/index.html`. */
export function outputOf(path) {
  return path.replace(/(?:^|(?<=\/))README\.md$/, "index.html").replace(/\.md$/, ".html");
}

/** From one page of the site to another, so that the site works from any folder, without a server too. */
export function relative(from, to) {
  return posix.relative(posix.dirname(from), to) || posix.basename(to);
}
