/**
 * What the single executable starts with, in every thread: loads the chunks of our bundle from the assets, each when it
 * is asked for, so that a command parses its own code only. Node's loader takes files, which there are none of.
 */
import { createRequire } from "node:module";
import { getAsset, getRawAsset } from "node:sea";
import { compileFunction } from "node:vm";

type Require = (name: string) => unknown;

/** What a chunk is a function of, and how the asset of its compiled form ends: tools/build-executable.ts compiles it so. */
const PARAMETERS = ["require", "module", "exports"];
const COMPILED = ".compiled";

const loaded = new Map<string, { exports: unknown }>();
const requireBuiltin = createRequire(process.execPath);

/** A chunk by its name in the bundle, such as `./kubemend.cjs`, or a module of Node. */
export function loadChunk(name: string): unknown {
  if (!name.startsWith("./")) return requireBuiltin(name);
  const known = loaded.get(name);
  if (known !== undefined) return known.exports;
  const module = { exports: {} };
  loaded.set(name, module);
  const file = name.slice("./".length);
  // What V8 made of the chunk when the executable was built. Where it was started with other flags of V8's, it is
  // passed over, and the chunk is compiled.
  // It is empty where the executable was built on another platform than it is for.
  const cachedData = Buffer.from(getRawAsset(`${file}${COMPILED}`));
  const options = { filename: file, ...(cachedData.length > 0 && { cachedData }) };
  const run = compileFunction(getAsset(file, "utf8"), PARAMETERS, options);
  (run as (require: Require, module: unknown, exports: unknown) => void)(loadChunk, module, module.exports);
  return module.exports;
}
