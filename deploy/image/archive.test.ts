import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync, readlinkSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { encodeTar, type TarEntry } from "../tar.ts";
import { encodeImage, type ImageParts } from "./archive.ts";

const base = mkdtempSync(join(tmpdir(), "kubemend-image-"));
afterAll(() => rmSync(base, { recursive: true }));

const FILES: readonly TarEntry[] = [
  { path: "bin/", mode: 0o755, directory: true },
  { path: "bin/program", mode: 0o755, bytes: Buffer.alloc(1000, "x") },
  { path: "bin/other", mode: 0o777, target: "program" },
  { path: "empty", mode: 0o600, bytes: new Uint8Array() },
];
const IMAGE: ImageParts = {
  name: "localhost/some:1.2",
  architecture: "amd64",
  files: FILES,
  entrypoint: ["/bin/program"],
  labels: { a: "b" },
};

function unpack(name: string, parts: readonly Uint8Array[]): string {
  writeFileSync(join(base, `${name}.tar`), Buffer.concat(parts));
  execFileSync("mkdir", [join(base, name)]);
  execFileSync("tar", ["-xpf", join(base, `${name}.tar`), "-C", join(base, name)]);
  return join(base, name);
}

test("tar reads what we write", () => {
  const out = unpack("files", encodeTar(FILES));
  expect(readFileSync(join(out, "bin/program"), "utf8")).toBe("x".repeat(1000));
  expect(statSync(join(out, "bin/program")).mode & 0o777).toBe(0o755);
  expect(readlinkSync(join(out, "bin/other"))).toBe("program");
  expect(statSync(join(out, "empty"))).toMatchObject({ size: 0, mtimeMs: 0 });
});

test("a path that does not fit is refused", () => {
  expect(() => encodeTar([{ path: "x".repeat(101), mode: 0, bytes: new Uint8Array() }])).toThrow("too long");
});

test("an image is the same bytes each time, and every digest in it is that of its blob", () => {
  const parts = encodeImage(IMAGE);
  expect(Buffer.concat(encodeImage(IMAGE)).equals(Buffer.concat(parts))).toBe(true);
  const out = unpack("image", parts);
  const read = (path: string) => readFileSync(join(out, path));
  const json = (path: string) => JSON.parse(read(path).toString());
  const blob = ({ digest, size }: { digest: string; size: number }) => {
    const path = `blobs/${digest.replace(":", "/")}`;
    expect(createHash("sha256").update(read(path)).digest("hex")).toBe(digest.slice("sha256:".length));
    expect(read(path).length).toBe(size);
    return path;
  };
  const [entry] = json("index.json").manifests;
  expect(entry.annotations["io.containerd.image.name"]).toBe(IMAGE.name);
  const manifest = json(blob(entry));
  const config = blob(manifest.config);
  const layer = blob(manifest.layers[0]);
  expect(json("manifest.json")).toEqual([{ Config: config, RepoTags: [IMAGE.name], Layers: [layer] }]);
  expect(json(config).config).toMatchObject({ Entrypoint: IMAGE.entrypoint, Labels: { a: "b" } });
  const tar = execFileSync("gzip", ["-dc"], { input: read(layer) });
  expect(json(config).rootfs.diff_ids).toEqual([`sha256:${createHash("sha256").update(tar).digest("hex")}`]);
});
