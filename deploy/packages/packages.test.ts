import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Command } from "commander";
import { afterAll, describe, expect, test } from "vitest";
import { packageFiles, SERVICES } from "./contents.ts";
import { encodeDeb } from "./deb.ts";
import { manPages } from "./man-pages.ts";
import { debScripts, rpmScripts } from "./scripts.ts";

const DIRECTORY = mkdtempSync(join(tmpdir(), "kubemend-packages-"));
afterAll(() => rmSync(DIRECTORY, { recursive: true }));

const has = (program: string): boolean => {
  try {
    execFileSync(program, ["--version"], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
};

const FACTS = {
  name: "kubemend",
  version: "1.2.3",
  architecture: "amd64",
  summary: "brings a control plane back",
  description: ["First paragraph.", "Second one."],
  maintainer: "The kubemend authors",
  homepage: undefined,
  depends: ["libc6 (>= 2.28)"],
};
const FILES = [
  { path: "/usr/bin/kubemend", mode: 0o755, bytes: Buffer.from("#!/bin/sh\necho hello\n") },
  { path: "/usr/bin/kubectl-mend", target: "kubemend" },
  { path: "/etc/kubemend/backup.yaml", mode: 0o644, bytes: Buffer.from("a: 1") },
];

test("the same files give the same package", () => {
  expect(Buffer.from(encodeDeb(FACTS, FILES, SERVICES)).equals(encodeDeb(FACTS, FILES, SERVICES))).toBe(true);
});

describe.skipIf(!has("dpkg-deb"))("dpkg", () => {
  const path = join(DIRECTORY, "kubemend.deb");
  const dpkg = (...args: readonly string[]): string => execFileSync("dpkg-deb", args, { encoding: "utf8" });

  test("reads the facts, lists the files and unpacks them", () => {
    writeFileSync(path, encodeDeb(FACTS, FILES, SERVICES));
    expect(dpkg("-f", path, "Package", "Version", "Depends", "Installed-Size")).toBe(
      "Package: kubemend\nVersion: 1.2.3\nDepends: libc6 (>= 2.28)\nInstalled-Size: 1\n",
    );
    expect(dpkg("-f", path, "Description")).toBe("brings a control plane back\n First paragraph.\n .\n Second one.\n");
    expect(dpkg("-I", path, "conffiles")).toBe("/etc/kubemend/backup.yaml\n");
    expect(dpkg("-c", path)).toMatch(/^-rwxr-xr-x 0\/0 +21 1970-01-01 00:00 \.\/usr\/bin\/kubemend$/m);
    dpkg("-x", path, join(DIRECTORY, "root"));
    expect(dpkg("-I", path, "md5sums")).toMatch(/^[0-9a-f]{32} {2}usr\/bin\/kubemend\n$/);
    expect(execFileSync(join(DIRECTORY, "root/usr/bin/kubectl-mend"), { encoding: "utf8" })).toBe("hello\n");
    expect(execFileSync(join(DIRECTORY, "root/usr/bin/kubemend"), { encoding: "utf8" })).toBe("hello\n");
    expect(readFileSync(join(DIRECTORY, "root/etc/kubemend/backup.yaml"), "utf8")).toBe("a: 1");
  });
});

describe("what they install", async () => {
  const program = join(DIRECTORY, "program");
  writeFileSync(program, "#!/bin/sh\n", { mode: 0o755 });
  const files = await packageFiles(program, "2026-11-30");
  const textOf = (path: string): string => {
    const file = files.find((each) => each.path === path);
    return file !== undefined && "bytes" in file ? Buffer.from(file.bytes).toString() : expect.fail(`no ${path}`);
  };

  test.each(SERVICES)("%s starts the installed program", (name) => {
    expect(textOf(`/usr/lib/systemd/system/${name}`)).toMatch(
      /^ExecStart=\/usr\/bin\/kubemend (backup|checkpoint) run /m,
    );
  });

  test.skipIf(!has("systemd-analyze"))("systemd has nothing to say against the units", () => {
    const units = SERVICES.map((name) => {
      const path = join(DIRECTORY, name);
      writeFileSync(path, textOf(`/usr/lib/systemd/system/${name}`).replace("/usr/bin/kubemend", program));
      return path;
    });
    const { status, stderr } = spawnSync("systemd-analyze", ["verify", "--man=no", ...units], { encoding: "utf8" });
    // What it has to say against other units of this machine is none of ours.
    const ours = stderr.split("\n").filter((line) => line.includes("kubemend"));
    expect([status, ours]).toEqual([0, []]);
  });

  test("its scripts are a shell's", () => {
    for (const text of Object.values(debScripts(SERVICES)))
      expect(spawnSync("sh", ["-n"], { input: text, encoding: "utf8" })).toMatchObject({ status: 0, stderr: "" });
    const [, post, preun, postun] = rpmScripts(SERVICES).split(/^%(?:post|preun|postun)$/m);
    for (const text of [post, preun, postun])
      expect(spawnSync("sh", ["-n"], { input: text, encoding: "utf8" })).toMatchObject({ status: 0, stderr: "" });
  });
});

describe("manual pages", () => {
  const program = new Command("kubemend").description("brings it back");
  program
    .command("get")
    .description("shows .things")
    .option("-x, --exact", "to the letter\\")
    .addHelpText("after", "\nExamples:\n  kubemend get -x\n.starts with a dot\n\nMore: docs/get.md");
  const help = (command: Command): string => {
    let shown = "";
    command
      .configureOutput({
        writeOut: (text) => {
          shown += text;
        },
      })
      .outputHelp();
    return shown;
  };
  const pages = manPages(program, help, { version: "1.2.3", date: "2026-11-29" });

  test("one for each command", () => {
    expect(pages.map(({ name }) => name)).toEqual(["kubemend.1", "kubemend-get.1"]);
    expect(pages[0]?.text).toContain(".SH SEE ALSO\n.BR kubemend\\-get (1)");
    expect(pages[1]?.text).toContain("\\&.starts with a dot");
    expect(pages[1]?.text).toContain(".SH MORE\n.nf\ndocs/get.md\n.fi");
  });

  test.skipIf(!has("groff"))("groff has nothing to say against them", () => {
    for (const { text } of pages) {
      const shown = execFileSync("groff", ["-man", "-Tascii", "-ww", "-z"], { input: text, encoding: "utf8" });
      expect(shown).toBe("");
    }
  });
});
