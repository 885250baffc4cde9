/**
 * Has V8 make do with little memory instead of making hot code fast: a heap that grows slowly and shrinks early, code
 * that is interpreted, and so two megabytes of compilers that are never paged in. For a process that rests most of its
 * life; all of these V8 reads again whenever it decides something.
 */
const FLAGS = ["--optimize-for-size", "--no-opt", "--no-maglev", "--no-sparkplug"];

export function keepHeapSmall(): void {
  const { setFlagsFromString } = process.getBuiltinModule("node:v8"); // an import would load what else it exports
  for (const flag of FLAGS) setFlagsFromString(flag);
}
