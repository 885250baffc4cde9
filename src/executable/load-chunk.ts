/**
 * What the single executable starts with, in every thread: loads the chunks of our bundle from the assets, each when it
 * is asked for, so that a command parses its own code only. Node's loader takes files, which there are none of.
 */
import { createRequire } from "node:module";
import { getAsset, getRawAsset } from "node:sea";
import { Script } from "node:vm";

type Require = (name: string) => unknown;

/** A chunk's asset is the text of a function, made by tools/build-executable.ts. */
type Chunk = (require: Require, module: unknown, exports: unknown) => void;

/** How the asset of its compiled form ends. */
const COMPILED = ".compiled";

const loaded = new Map<string, { exports: unknown }>();
const requireBuiltin = createRequire(process.execPath);

/** What many chunks name and few commands use, and what takes milliseconds to load: it is loaded when something of it is used. */
const LATE = /^node:(crypto|child_process)$|^\.\/read-yaml-/;

/** A chunk by its name in the bundle, such as `./kubemend.cjs`, or a module of Node. */
export function loadChunk(name: string): unknown {
  return LATE.test(name) ? whenUsed(() => load(name) as object) : load(name);
}

/** Stands for a module. */
function whenUsed(load: () => object): object {
  let module: object | undefined;
  const loaded = (): object => {
    module ??= load();
    return module;
  };
  return new Proxy(
    {},
    {
      get: (_, name) => Reflect.get(loaded(), name),
      has: (_, name) => Reflect.has(loaded(), name),
      ownKeys: () => Reflect.ownKeys(loaded()),
      getOwnPropertyDescriptor(_, name) {
        const found = Reflect.getOwnPropertyDescriptor(loaded(), name);
        return found && { ...found, configurable: true }; // as a proxy must say of what its target does not have
      },
    },
  );
}

function load(name: string): unknown {
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
  const chunk = new Script(getAsset(file, "utf8"), options).runInThisContext() as Chunk;
  chunk(loadChunk, module, module.exports);
  return module.exports;
}
