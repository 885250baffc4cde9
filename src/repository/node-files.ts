/** The payload of a node's files: JSON, one entry a file, each with its mode and owner, so that it can be put back as it was. */
import { z } from "zod";
import { MendError } from "../errors/errors.ts";

const ENTRY = z.object({
  /** Absolute. */
  path: z.string().regex(/^\//),
  type: z.enum(["file", "link"]),
  /** Permission bits. */
  mode: z.number().int().nonnegative(),
  uid: z.number().int().nonnegative(),
  gid: z.number().int().nonnegative(),
  /** Of a file, in base64. */
  content: z.base64().optional(),
  /** Of a symbolic link. */
  target: z.string().optional(),
});

const SCHEMA = z.object({ node: z.string(), files: z.array(ENTRY) });

export type NodeFile = z.infer<typeof ENTRY>;
export type NodeFiles = z.infer<typeof SCHEMA>;

export function encodeNodeFiles(files: NodeFiles): Uint8Array {
  return Buffer.from(JSON.stringify(files));
}

/** Throws `repository-damaged`. */
export function decodeNodeFiles(bytes: Uint8Array, where: string): NodeFiles {
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(bytes).toString());
  } catch (error) {
    throw new MendError("repository-damaged", `the content of "${where}" is not JSON`, { where, cause: error });
  }
  const result = SCHEMA.safeParse(value);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  throw new MendError("repository-damaged", `${issue?.path.join(".")}: ${issue?.message}`, { where });
}
