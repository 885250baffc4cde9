/**
 * Container images, built here as docker-archive tars because no registry is reachable: one layer of programs of this machine with the
 * libraries that they are linked to, a configuration and a manifest. Built once into the cache, imported into each node.
 */
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { copyFile, mkdir, realpath, rm, stat, symlink, writeFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { pipeline } from "node:stream/promises";
import { writeImage } from "../deploy/image/build.ts";
import { CHECKPOINTER_IMAGE } from "../src/bootstrap/checkpointer-image.ts";
import { cacheDirectory, fillOnce, type Kubernetes, PROGRAMS } from "./kubernetes.ts";
import { run } from "./processes.ts";
import { programOnPath } from "./requirements.ts";

/** What an image is made of. */
export interface ImageRecipe {
  /** Its full name with tag. */
  readonly name: string;
  /** Where in the image a file of this machine goes. The libraries of programs come along. */
  readonly files?: Readonly<Record<string, string>>;
  readonly links?: Readonly<Record<string, string>>;
  /** Files with their text; executable. */
  readonly texts?: Readonly<Record<string, string>>;
  readonly entrypoint: readonly string[];
}

/** An image that is built as users build it. */
export interface OwnImage {
  readonly name: string;
  readonly executable: string;
}

/** An image as a file to import. */
export interface Image {
  readonly name: string;
  readonly archive: string;
}

const BUSYBOX = "/usr/bin/busybox";
const APPLETS = [
  "sh",
  "cat",
  "cp",
  "echo",
  "ip",
  "kill",
  "ls",
  "mkdir",
  "ping",
  "ps",
  "rm",
  "sleep",
  "touch",
  "true",
  "wget",
];
const SHELL = {
  files: { "/bin/busybox": BUSYBOX },
  links: Object.fromEntries(APPLETS.map((name) => [`/bin/${name}`, "/bin/busybox"])),
};

/** What holds a pod's namespaces: it does nothing. */
export const PAUSE: ImageRecipe = { name: "kubemend.test/pause:1", ...SHELL, entrypoint: ["/bin/sleep", "2147483647"] };

/** Serves the pod's name on port 8080, and ends at once when asked. */
export const WEB: ImageRecipe = {
  name: "kubemend.test/web:1",
  ...SHELL,
  texts: {
    "/bin/serve": `#!/bin/sh
mkdir -p /www
cat /etc/hostname >/www/index.html
trap 'exit 0' TERM
/bin/busybox httpd -f -p "\${PORT:-8080}" -h /www &
wait
`,
  },
  entrypoint: ["/bin/serve"],
};

/** Every Kubernetes program under its name, a shell, and what kube-proxy needs to write packet filter rules. */
export function hyperkubeImage(kubernetes: Kubernetes): ImageRecipe {
  const { multiCall } = kubernetes;
  const bin = "/usr/local/bin";
  const programs: Record<string, string> = multiCall
    ? { [`${bin}/hyperkube`]: multiCall }
    : Object.fromEntries(PROGRAMS.map((name) => [`${bin}/${name}`, kubernetes.program(name)]));
  const names = multiCall ? Object.fromEntries(PROGRAMS.map((name) => [`${bin}/${name}`, `${bin}/hyperkube`])) : {};
  const filters = ["iptables", "iptables-save", "iptables-restore"].flatMap((name) => [
    name,
    name.replace("ip", "ip6"),
  ]);
  return {
    name: `kubemend.test/hyperkube:${kubernetes.version}`,
    files: {
      ...SHELL.files,
      ...programs,
      "/usr/sbin/xtables-nft-multi": "/usr/sbin/xtables-nft-multi",
      "/usr/sbin/conntrack": "/usr/sbin/conntrack",
    },
    links: {
      ...SHELL.links,
      ...names,
      ...(multiCall && { "/hyperkube": `${bin}/hyperkube` }),
      ...Object.fromEntries(filters.map((name) => [`/usr/sbin/${name}`, "/usr/sbin/xtables-nft-multi"])),
    },
    entrypoint: ["/bin/sh"],
  };
}

/** The etcd of PATH, as a static pod or a self-hosted etcd runs it: the one that the bed's own members are, too. */
export const ETCD: ImageRecipe = {
  name: "kubemend.test/etcd:1",
  files: {
    ...SHELL.files,
    "/usr/local/bin/etcd": programOnPath("etcd") ?? "/usr/bin/etcd",
    "/usr/local/bin/etcdctl": programOnPath("etcdctl") ?? "/usr/bin/etcdctl",
  },
  links: SHELL.links,
  entrypoint: ["/usr/local/bin/etcd"],
};

/** kubemend's own image, as `npm run build:image` makes it of its single executable file: no shell in it. */
export function kubemendImage(executable: string): OwnImage {
  return { name: CHECKPOINTER_IMAGE, executable };
}

/** Builds an image, or finds it built in the cache: the same recipe of the same files is built once. */
export async function buildImage(recipe: ImageRecipe | OwnImage): Promise<Image> {
  if ("executable" in recipe) return buildOwnImage(recipe);
  const files = await withLibraries(recipe.files ?? {});
  const sources = await Promise.all(
    Object.entries(files).map(async ([path, source]) => {
      const { size, mtimeMs } = await stat(source);
      return [path, source, size, mtimeMs];
    }),
  );
  const key = createHash("sha256")
    .update(JSON.stringify([recipe, sources]))
    .digest("hex")
    .slice(0, 16);
  const name = basename(recipe.name).replace(":", "-");
  const directory = await fillOnce(join(cacheDirectory(), `image-${name}-${key}`), (draft) =>
    fill(draft, recipe, files),
  );
  return { name: recipe.name, archive: join(directory, "image.tar") };
}

async function buildOwnImage({ name, executable }: OwnImage): Promise<Image> {
  const { size, mtimeMs } = await stat(executable);
  const key = createHash("sha256")
    .update(JSON.stringify([name, executable, size, mtimeMs]))
    .digest("hex")
    .slice(0, 16);
  const directory = await fillOnce(join(cacheDirectory(), `image-kubemend-${key}`), async (draft) => {
    writeImage(join(draft, "image.tar"), name, executable);
  });
  return { name, archive: join(directory, "image.tar") };
}

async function fill(draft: string, recipe: ImageRecipe, files: Readonly<Record<string, string>>): Promise<void> {
  const root = join(draft, "root");
  for (const directory of ["etc", "tmp", "proc", "sys", "dev"]) await mkdir(join(root, directory), { recursive: true });
  await writeFile(
    join(root, "etc/passwd"),
    "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n",
  );
  const place = async (path: string) => {
    await mkdir(dirname(join(root, path)), { recursive: true });
    return join(root, path);
  };
  for (const [path, source] of Object.entries(files)) await copyFile(source, await place(path));
  for (const [path, target] of Object.entries(recipe.links ?? {})) await symlink(target, await place(path));
  for (const [path, text] of Object.entries(recipe.texts ?? {}))
    await writeFile(await place(path), text, { mode: 0o755 });

  await run(["tar", "--numeric-owner", "--owner=0", "--group=0", "-C", root, "-cf", join(draft, "layer.tar"), "."]);
  await rm(root, { recursive: true });
  const hash = createHash("sha256");
  await pipeline(createReadStream(join(draft, "layer.tar")), hash);
  const config = {
    architecture: { x64: "amd64" }[process.arch as string] ?? process.arch,
    os: "linux",
    config: {
      Entrypoint: recipe.entrypoint,
      Env: ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],
    },
    rootfs: { type: "layers", diff_ids: [`sha256:${hash.digest("hex")}`] },
  };
  const manifest = [{ Config: "config.json", RepoTags: [recipe.name], Layers: ["layer.tar"] }];
  await writeFile(join(draft, "config.json"), JSON.stringify(config));
  await writeFile(join(draft, "manifest.json"), JSON.stringify(manifest));
  await run(["tar", "-C", draft, "-cf", join(draft, "image.tar"), "manifest.json", "config.json", "layer.tar"]);
  await rm(join(draft, "layer.tar"));
}

/** The files of a recipe and, for those that are dynamically linked, their libraries under the libraries' own paths. */
async function withLibraries(files: Readonly<Record<string, string>>): Promise<Record<string, string>> {
  const all: Record<string, string> = {};
  for (const [path, source] of Object.entries(files)) {
    all[path] = await realpath(source);
    for (const library of await librariesOf(source)) all[library] = await realpath(library);
    if (!basename(source).startsWith("xtables-")) continue;
    // its matches and targets are libraries that it loads by name
    const directory = (await run(["find", "/usr/lib", "-type", "d", "-name", "xtables"])).trim().split("\n")[0];
    if (!directory) continue;
    for (const extension of (await run(["find", directory, "-name", "*.so"])).trim().split("\n")) {
      all[extension] = await realpath(extension);
      for (const library of await librariesOf(extension)) all[library] = await realpath(library); // statistic's is libm
    }
  }
  return all;
}

/** What the dynamic linker would load; nothing for a static program. */
async function librariesOf(program: string): Promise<string[]> {
  const printed = await run(["ldd", program]).catch(() => "");
  return [...printed.matchAll(/(\/\S+) \(0x/g)].map((match) => match[1]!);
}
