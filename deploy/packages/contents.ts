/** What the packages install, and where: the executable, completions, manual pages, the units of the agents, and the documentation. */
import { readdirSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import type { Command, OutputConfiguration } from "commander";
import packageJson from "../../package.json" with { type: "json" };
import { SHELLS, shellScript } from "../../src/cli/commands/completion.ts";
import { hostOf } from "../../src/cli/host.ts";
import { createProgram } from "../../src/cli/program.ts";
import type { PackageFacts, PackageFile } from "./deb.ts";
import { manPages } from "./man-pages.ts";

const ROOT = join(import.meta.dirname, "../..");
const COMPLETIONS: Readonly<Record<(typeof SHELLS)[number], string>> = {
  bash: "/usr/share/bash-completion/completions/kubemend",
  zsh: "/usr/share/zsh/vendor-completions/_kubemend",
  fish: "/usr/share/fish/vendor_completions.d/kubemend.fish",
};

const UNITS = ["backup/kubemend-backup.service", "node-agent/kubemend-node-agent.service"];

/** The services that packages bring. */
export const SERVICES: readonly string[] = UNITS.map((path) => basename(path));

/** What kubectl asks to complete `kubectl mend`. Its last line is a directive: files complete too. */
export const KUBECTL_COMPLETION = '#!/bin/sh\nkubemend __complete -- "$@"\necho :0\n';

/** The audit log of root's runs. Each run opens it anew, and the agents do not write there. */
const LOGROTATE = `/var/log/kubemend/audit.log {
  monthly
  rotate 24
  compress
  missingok
  notifempty
}
`;

export function packageFacts(architecture: string, homepage: string | undefined): PackageFacts {
  return {
    name: packageJson.name,
    version: packageJson.version,
    architecture,
    summary: "brings a Kubernetes control plane back",
    description: [
      "kubemend diagnoses a Kubernetes control plane that does not work and brings it back: from what still " +
        "runs, or offline from an etcd backup.",
      "It reads backups without etcd, restores whole clusters, gives back single objects, and takes " +
        "continuous, encrypted and proved backups.",
    ],
    maintainer: "The kubemend authors",
    homepage,
    depends: ["libc6 (>= 2.28)", "libstdc++6", "libgcc-s1 | libgcc1"],
  };
}

/** `executable` is the program's path, `date` that of the manual pages. */
export async function packageFiles(executable: string, date: string): Promise<readonly PackageFile[]> {
  const file = (path: string, bytes: Uint8Array | string, mode = 0o644): PackageFile => ({
    path,
    mode,
    bytes: Buffer.from(bytes),
  });
  const pages = await manuals(date);
  return [
    file("/usr/bin/kubemend", readFileSync(executable), 0o755),
    { path: "/usr/bin/kubectl-mend", target: "kubemend" },
    ...pages.map(({ name, text }) => file(`/usr/share/man/man1/${name}`, text)),
    ...SHELLS.map((shell) => file(COMPLETIONS[shell], shellScript(shell))),
    file("/usr/bin/kubectl_complete-mend", KUBECTL_COMPLETION, 0o755),
    ...units().map(({ name, text }) => file(`/usr/lib/systemd/system/${name}`, text)),
    file("/etc/logrotate.d/kubemend", LOGROTATE),
    ...documents("docs").map((path) => file(`/usr/share/doc/kubemend/${path.slice("docs/".length)}`, read(path))),
    file("/usr/share/doc/kubemend/CHANGELOG.md", read("CHANGELOG.md")),
    file("/usr/share/doc/kubemend/copyright", read("LICENSE")),
  ];
}

/** The units of `deploy/`, with the path that packages install to. None is enabled: an agent needs its configuration first. */
function units(): readonly { readonly name: string; readonly text: string }[] {
  return UNITS.map((path) => ({
    name: basename(path),
    text: read(`deploy/${path}`).replaceAll("/usr/local/bin/kubemend", "/usr/bin/kubemend"),
  }));
}

function documents(folder: string): readonly string[] {
  return readdirSync(join(ROOT, folder), { withFileTypes: true }).flatMap((each) => {
    const path = `${folder}/${each.name}`;
    return each.isDirectory() ? documents(path) : [path];
  });
}

function read(path: string): string {
  return readFileSync(join(ROOT, path), "latin1");
}

async function manuals(date: string): Promise<readonly { readonly name: string; readonly text: string }[]> {
  let shown = "";
  const output: OutputConfiguration = {
    writeOut: (text) => {
      shown += text;
    },
  };
  const sink = { isTTY: false, columns: 80, write: () => Promise.resolve() };
  const host = hostOf({
    stdout: sink,
    stderr: sink,
    env: {},
    cwd: ROOT,
    now: () => 0,
    signal: new AbortController().signal,
  });
  const context = { host, exit: () => {}, commandTree: () => createProgram(context, output, undefined) };
  const program = await context.commandTree();
  const help = (command: Command): string => {
    shown = "";
    command.configureOutput(output).outputHelp();
    return shown;
  };
  return manPages(program, help, { version: packageJson.version, date });
}
