/**
 * A container image of one layer as a tar that everybody loads: an OCI image layout, and in it the `manifest.json` of
 * `docker save`. The formats: image-layout.md, manifest.md and config.md of opencontainers/image-spec 1.1.
 */
import { createHash } from "node:crypto";
import { gzipSync } from "node:zlib";
import { encodeTar, type TarEntry } from "../tar.ts";

export interface ImageParts {
  /** With a registry's host and a tag, such as `localhost/kubemend:0.1.0`. */
  readonly name: string;
  /** As Go names it: `amd64`, `arm64`. */
  readonly architecture: string;
  readonly files: readonly TarEntry[];
  readonly entrypoint: readonly string[];
  readonly labels: Readonly<Record<string, string>>;
}

const PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
const CREATED = "1970-01-01T00:00:00Z";

/** The parts of the archive, to write one after another. */
export function encodeImage(image: ImageParts): Uint8Array[] {
  const layer = Buffer.concat(encodeTar(image.files));
  const compressed = blob(gzipSync(layer), "application/vnd.oci.image.layer.v1.tar+gzip");
  const config = json(
    {
      created: CREATED,
      architecture: image.architecture,
      os: "linux",
      config: { Entrypoint: image.entrypoint, Env: [`PATH=${PATH}`], Labels: image.labels },
      rootfs: { type: "layers", diff_ids: [digest(layer)] },
      history: [{ created: CREATED, created_by: "kubemend deploy/image" }],
    },
    "application/vnd.oci.image.config.v1+json",
  );
  const manifest = json(
    {
      schemaVersion: 2,
      mediaType: "application/vnd.oci.image.manifest.v1+json",
      config: config.descriptor,
      layers: [compressed.descriptor],
    },
    "application/vnd.oci.image.manifest.v1+json",
  );
  const index = {
    schemaVersion: 2,
    mediaType: "application/vnd.oci.image.index.v1+json",
    manifests: [
      {
        ...manifest.descriptor,
        platform: { architecture: image.architecture, os: "linux" },
        annotations: {
          "io.containerd.image.name": image.name,
          "org.opencontainers.image.ref.name": image.name.slice(image.name.lastIndexOf(":") + 1),
        },
      },
    ],
  };
  const docker = [{ Config: config.path, RepoTags: [image.name], Layers: [compressed.path] }];
  const file = (path: string, bytes: Uint8Array): TarEntry => ({ path, mode: 0o644, bytes });
  const directory = (path: string): TarEntry => ({ path, mode: 0o755, directory: true });
  return encodeTar([
    file("oci-layout", text({ imageLayoutVersion: "1.0.0" })),
    file("index.json", text(index)),
    file("manifest.json", text(docker)),
    directory("blobs/"),
    directory("blobs/sha256/"),
    ...[config, manifest, compressed].map(({ path, bytes }) => file(path, bytes)),
  ]);
}

function blob(bytes: Uint8Array, mediaType: string) {
  const sha256 = digest(bytes);
  return {
    bytes,
    path: `blobs/${sha256.replace(":", "/")}`,
    descriptor: { mediaType, digest: sha256, size: bytes.length },
  };
}

const text = (value: unknown): Uint8Array => Buffer.from(JSON.stringify(value));
const json = (value: unknown, mediaType: string) => blob(text(value), mediaType);
const digest = (bytes: Uint8Array): string => `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
