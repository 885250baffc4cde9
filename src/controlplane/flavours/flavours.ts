/** All flavours of control planes, in the order in which they are looked for. A new one is a file beside this one and a line here. */
import type { Flavour } from "./flavour.ts";
import { SELF_HOSTED } from "./self-hosted.ts";
import { STATIC_PODS } from "./static-pods.ts";

export const FLAVOURS = [SELF_HOSTED, STATIC_PODS] as const;

type PlaneOf<F> = F extends Flavour<infer Plane> ? Plane : never;

/** Told apart by `flavour`. */
export type ControlPlane = PlaneOf<(typeof FLAVOURS)[number]>;

/** What people read for each `flavour` of a control plane. */
export const FLAVOUR_TITLES = Object.assign({}, ...FLAVOURS.map(({ titles }) => titles)) as Readonly<
  Record<ControlPlane["flavour"], string>
>;
