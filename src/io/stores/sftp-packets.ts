/**
 * Packets of SFTP version 3 (draft-ietf-secsh-filexfer-02) and of OpenSSH's extensions to it (PROTOCOL in its
 * sources): a length, a type, the number of the request, and fields.
 */

export const REQUEST = {
  open: 3,
  close: 4,
  read: 5,
  write: 6,
  fstat: 8,
  opendir: 11,
  readdir: 12,
  remove: 13,
  mkdir: 14,
  stat: 17,
  extended: 200,
} as const;

export const REPLY = {
  version: 2,
  status: 101,
  handle: 102,
  data: 103,
  name: 104,
  attributes: 105,
  extended: 201,
} as const;

export const STATUS = { ok: 0, eof: 1, noSuchFile: 2, permissionDenied: 3, unsupported: 8 } as const;

/** `write` creates the file where there is none. */
export const OPEN = { read: 1, write: 0x0a } as const;

/** A server answers in pieces of 256 KiB at most; what is larger is not SFTP, such as a shell's greeting. */
export const MOST_PACKET_BYTES = (256 << 10) + 1024;

/** `INIT`, which has no number. */
export const INIT = Buffer.from([0, 0, 0, 5, 1, 0, 0, 0, 3]);

type Field = number | bigint | string | Uint8Array;

/** Numbers are of 32 bits, bigints of 64; texts and bytes have their length before them. */
export function encodeRequest(type: number, id: number, fields: readonly Field[]): Buffer {
  const parts = fields.map((field) => {
    if (typeof field === "number") return uint32(field);
    if (typeof field === "bigint") {
      const bytes = Buffer.alloc(8);
      bytes.writeBigUInt64BE(field);
      return bytes;
    }
    const bytes = Buffer.from(field as string);
    return Buffer.concat([uint32(bytes.length), bytes]);
  });
  const body = Buffer.concat([Buffer.from([type]), uint32(id), ...parts]);
  return Buffer.concat([uint32(body.length), body]);
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

export class SftpMalformed extends Error {
  override readonly name = "SftpMalformed";
}

/** Reads the fields of one packet. Throws {@link SftpMalformed} where they end too early. */
export class FieldReader {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  get isAtEnd(): boolean {
    return this.#at >= this.#bytes.length;
  }

  #take(size: number): Buffer {
    if (size > this.#bytes.length - this.#at) throw new SftpMalformed("the server's answer is not SFTP");
    this.#at += size;
    return this.#bytes.subarray(this.#at - size, this.#at);
  }

  byte(): number {
    return this.#take(1).readUInt8();
  }

  uint32(): number {
    return this.#take(4).readUInt32BE();
  }

  uint64(): number {
    return Number(this.#take(8).readBigUInt64BE());
  }

  bytes(): Buffer {
    return this.#take(this.uint32());
  }

  text(): string {
    return this.bytes().toString();
  }
}

export interface FileAttributes {
  readonly size: number;
  /** File type and mode, as `st_mode`; 0 where the server does not say. */
  readonly mode: number;
  /** Milliseconds since the epoch. */
  readonly modified: number;
}

export function readAttributes(fields: FieldReader): FileAttributes {
  const flags = fields.uint32();
  const size = (flags & 1) === 0 ? 0 : fields.uint64();
  if ((flags & 2) !== 0) fields.uint64(); // user and group
  const mode = (flags & 4) === 0 ? 0 : fields.uint32();
  let modified = 0;
  if ((flags & 8) !== 0) {
    fields.uint32();
    modified = fields.uint32() * 1000;
  }
  if (flags >>> 31 === 1) {
    for (let rest = fields.uint32(); rest > 0; rest--) {
      fields.bytes();
      fields.bytes();
    }
  }
  return { size, mode, modified };
}
