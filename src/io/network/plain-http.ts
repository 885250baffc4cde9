/**
 * Node's `node:http`, loaded when it is first needed. Importing it loads all that it exports, a WebSocket client and a
 * WebAssembly parser among them: a quarter of what a small agent needs in all, which speaks TLS to everybody.
 */
export function plainHttp(): typeof import("node:http") {
  return process.getBuiltinModule("node:http");
}
