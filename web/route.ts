/** Where in the page one is: kept in the address behind `#`, so that the browser's own buttons and bookmarks work. */
import { useEffect, useState } from "preact/hooks";
import type { ResourceId } from "./api.ts";

export interface Route {
  /** Such as `["browse", "apps", "v1", "deployments"]`. */
  readonly parts: readonly string[];
  readonly query: Readonly<Record<string, string>>;
}

export function parseRoute(hash: string): Route {
  const [path = "", query = ""] = hash.replace(/^#\/?/, "").split("?", 2);
  const parts = path.split("/").map(decode);
  return { parts: path === "" ? [] : parts, query: Object.fromEntries(new URLSearchParams(query)) };
}

function decode(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

/** The address of a place. Empty values are left out. */
export function href(
  parts: readonly string[],
  query: Readonly<Record<string, string | null | undefined>> = {},
): string {
  const parameters = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) if (value) parameters.set(name, value);
  const text = parameters.toString();
  return `#/${parts.map(encodeURIComponent).join("/")}${text === "" ? "" : `?${text}`}`;
}

export function go(address: string, replace = false): void {
  if (replace) {
    history.replaceState(null, "", address);
    dispatchEvent(new HashChangeEvent("hashchange"));
  } else location.hash = address;
}

export function useRoute(): Route {
  const [route, setRoute] = useState(() => parseRoute(location.hash));
  useEffect(() => {
    const changed = () => setRoute(parseRoute(location.hash));
    addEventListener("hashchange", changed);
    return () => removeEventListener("hashchange", changed);
  }, []);
  return route;
}

const CORE = "core";

/** The parts of a resource's address; the core group has a name there. */
export function resourceParts({ group, version, plural }: ResourceId): string[] {
  return [group === "" ? CORE : group, version, plural];
}

export function groupOf(part: string | undefined): string {
  return part === undefined || part === CORE ? "" : part;
}

export function objectHref(resource: ResourceId, namespace: string | null, name: string, at: string): string {
  return href(["object", ...resourceParts(resource), namespace ?? "", name], { at });
}
