/** What is mounted where, from `/proc/PID/mountinfo` (`proc(5)`). */

export interface Mount {
  /** Such as `8:1`. */
  readonly device: string;
  /** Which part of the file system is mounted: `/` for all of it. */
  readonly root: string;
  readonly point: string;
  /** Such as `tmpfs`. */
  readonly type: string;
}

/** In the order in which they were mounted. Lines that say something else are left out. */
export function parseMountTable(text: string): Mount[] {
  return text.split("\n").flatMap((line) => {
    const words = line.split(" ");
    const separator = words.indexOf("-", 6);
    if (separator < 0) return [];
    const [, , device, root, point] = words as [string, string, string, string, string];
    return [{ device, root: withoutEscapes(root), point: withoutEscapes(point), type: words[separator + 1] ?? "" }];
  });
}

/** Those strictly below a directory, in the order in which they can be unmounted: deepest first, and of those on one place the newest. */
export function mountsBelow(mounts: readonly Mount[], directory: string): Mount[] {
  const depth = (mount: Mount): number => mount.point.split("/").length;
  return mounts
    .filter(({ point }) => isBelow(point, directory))
    .map((mount, order) => ({ mount, order }))
    .sort((a, b) => depth(b.mount) - depth(a.mount) || b.order - a.order)
    .map(({ mount }) => mount);
}

/** Whether a path is inside a directory, and not that itself. */
export function isBelow(path: string, directory: string): boolean {
  return path.startsWith(directory.endsWith("/") ? directory : `${directory}/`) && path !== directory;
}

/** Where a path that a process in a container sees is on the host; undefined where the host does not see it. */
export function hostPathOf(path: string, theirs: readonly Mount[], ours: readonly Mount[]): string | undefined {
  const inside = covering(path, theirs);
  if (inside === undefined) return undefined;
  const onDisk = join(inside.root, path.slice(inside.point === "/" ? 0 : inside.point.length));
  // The same file system, mounted with the part that holds it: the largest part is the least likely to be a container's own.
  const outside = ours
    .filter(({ device, root }) => device === inside.device && (root === onDisk || isBelow(onDisk, root)))
    .sort((a, b) => a.root.length - b.root.length)[0];
  if (outside === undefined) return undefined;
  return join(outside.point, onDisk.slice(outside.root === "/" ? 0 : outside.root.length));
}

function covering(path: string, mounts: readonly Mount[]): Mount | undefined {
  let best: Mount | undefined;
  for (const mount of mounts) {
    if (mount.point !== path && !isBelow(path, mount.point)) continue;
    if (best === undefined || mount.point.length >= best.point.length) best = mount; // a later one lies over an earlier
  }
  return best;
}

function join(directory: string, rest: string): string {
  const joined = `${directory.replace(/\/$/, "")}/${rest.replace(/^\//, "")}`;
  return joined.length > 1 ? joined.replace(/\/$/, "") : joined;
}

/** Spaces, tabs, line ends and backslashes are written as octal numbers. */
function withoutEscapes(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 8)));
}
