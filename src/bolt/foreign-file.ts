// biome-ignore-all lint/suspicious/noControlCharactersInRegex: these are the bytes that files begin with
/**
 * What a file is that was taken for a snapshot and is none, by its first bytes, and how it becomes one. Sources: the
 * formats' own descriptions and file(1)'s magic.
 */

export interface ForeignFile {
  /** With its article, such as `an xz archive`. */
  readonly what: string;
  /** In the imperative. `FILE` is the file. */
  readonly hint: string;
}

const EXPECTED = "pass the file that `etcdctl snapshot save` wrote, or a copy of member/snap/db";
const UNPACK = (command: string) => `decompress it first: ${command}`;
const PACKED_TWICE = "it was packed more than once: unpack it by hand, and pass the snapshot file that is in it";

/** By the bytes that a file begins with, as Latin-1. */
const MAGIC: readonly (readonly [start: RegExp, what: string, hint: string])[] = [
  [/^\xfd7zXZ\0/, "an xz archive", UNPACK("xz -dk FILE")],
  // One around it was unpacked already.
  [/^\x1f\x8b\x08/, "a gzip archive", PACKED_TWICE],
  [/^\x28\xb5\x2f\xfd/, "a zstd archive", PACKED_TWICE],
  [/^PK(?:\x03\x04|\x05\x06)/, "a zip archive", PACKED_TWICE],
  [/^BZh[1-9]/, "a bzip2 archive", UNPACK("bzip2 -dk FILE")],
  [/^(?:\x04"M\x18|\x02!L\x18)/, "an lz4 archive", UNPACK("lz4 -d FILE")],
  [/^LZIP/, "an lzip archive", UNPACK("lzip -dk FILE")],
  [/^\x89LZO/, "an lzop archive", UNPACK("lzop -d FILE")],
  [/^\x5d\0\0[\0-\xff]{2}(?:\xff{8}|[\0-\xff]{3}\0{5})/, "an lzma archive", UNPACK("xz --format=lzma -dk FILE")],
  [/^7z\xbc\xaf'\x1c/, "a 7-Zip archive", UNPACK("7z x FILE")],
  [/^Rar!\x1a\x07/, "a RAR archive", UNPACK("unrar x FILE")],
  [/^\x78[\x01\x5e\x9c\xda]/, "a zlib stream", UNPACK("zlib-flate -uncompress < FILE > backup.db, or pigz -dz")],
  [/^\xff\x06\0\0sNaPpY/, "a snappy stream", UNPACK("snzip -d FILE")],
  [/^[\0-\xff]{257}ustar/, "a tar archive", "unpack it with tar, and pass the snapshot file that is in it"],
  [
    /^(?:age-encryption\.org\/|-----BEGIN AGE ENCRYPTED FILE-----)/,
    "a file that age encrypted",
    "decrypt it first: age -d -i KEY FILE > backup.db",
  ],
  [
    /^(?:Salted__|U2FsdGVkX1)/,
    "a file that openssl encrypted",
    "decrypt it first, with the options that encrypted it: openssl enc -d … -in FILE -out backup.db",
  ],
  [
    /^(?:-----BEGIN PGP MESSAGE-----|[\x84\x85\x8c\xc1][\0-\xff]{1,2}\x03|\x8c\x0d\x04)/,
    "a file that GnuPG encrypted",
    "decrypt it first: gpg -d FILE > backup.db",
  ],
  [/^-----BEGIN [A-Z ]+-----/, "a PEM file", EXPECTED],
  [
    /^SQLite format 3\0/,
    "an SQLite database",
    "k3s without embedded etcd keeps its state in it (kine), which is no etcd database: back it up with sqlite3",
  ],
  [/^\x7fELF/, "a program", EXPECTED],
  [/^(?:QFI\xfb|KDMV|conectix)/, "a disk image", "mount it, and pass the etcd database that is in it"],
  [/^version https:\/\/git-lfs/, "a Git LFS pointer instead of the file", "fetch the file itself: git lfs pull"],
  [
    /^\s*<(?:!doctype html|html)/i,
    "an HTML page",
    "the download answered with a page, such as a login or an error: look at it, and download again",
  ],
  [
    /^\s*<(?:\?xml|Error)/i,
    "an XML document",
    "the download answered with a message, such as an error of the object store: look at it, and download again",
  ],
  [/^\s*[{[][\s"[{\]}]/, "a JSON document", "the download may have answered with an error: look at it"],
  [
    /^(?:A{10}|H4sI|KLUv\/)[A-Za-z0-9+/\r\n]*=*\s*$/,
    "base64 text of a snapshot or an archive",
    "decode it first: base64 -d FILE > backup.db",
  ],
];

/** Undefined for what is not known. `head` is the file's beginning, 300 bytes or more where it has as many. */
export function foreignFile(head: Uint8Array): ForeignFile | undefined {
  let text = "";
  for (const byte of head.subarray(0, 300)) text += String.fromCharCode(byte);
  const known = MAGIC.find(([start]) => start.test(text));
  if (known !== undefined) return { what: known[1], hint: known[2] };
  if (text.length > 0 && /^(?:[\t\n\r\x20-\x7e]|[\xc2-\xf4][\x80-\xbf]+)*[\x80-\xff]{0,3}$/.test(text))
    return { what: "a text file", hint: EXPECTED };
  return undefined;
}
