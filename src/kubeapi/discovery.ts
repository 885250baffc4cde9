/** Discovery: which groups, versions and resources there are, in the forms that clients ask for. Source: meta/v1 and apidiscovery/v2. */
import { defined } from "../errors/defined.ts";
import type { JsonObject } from "../kube/object.ts";
import { type Catalog, compareGroups, groupVersion, type ServedResource } from "./catalog.ts";
import { noSuchPath } from "./status.ts";

const VERBS = ["get", "list", "watch"];

/** What is asked with a POST and never stored. */
const REVIEWS: readonly { readonly group: string; readonly plural: string; readonly kind: string }[] = [
  { group: "authentication.k8s.io", plural: "selfsubjectreviews", kind: "SelfSubjectReview" },
  { group: "authorization.k8s.io", plural: "selfsubjectaccessreviews", kind: "SelfSubjectAccessReview" },
  { group: "authorization.k8s.io", plural: "selfsubjectrulesreviews", kind: "SelfSubjectRulesReview" },
];

interface DiscoveredGroup {
  readonly name: string;
  readonly versions: readonly string[];
}

/** The groups below `/apis`. */
function namedGroups(catalog: Catalog): readonly DiscoveredGroup[] {
  const reviews = [...new Set(REVIEWS.map(({ group }) => group))].map((name) => ({ name, versions: ["v1"] }));
  return [...catalog.groups.filter(({ name }) => name !== ""), ...reviews].sort((a, b) =>
    compareGroups(a.name, b.name),
  );
}

export function isServedGroup(catalog: Catalog, name: string): boolean {
  return name === "" || namedGroups(catalog).some((group) => group.name === name);
}

/** `/api` */
export function coreVersions(host: string): JsonObject {
  return {
    kind: "APIVersions",
    versions: ["v1"],
    serverAddressByClientCIDRs: [{ clientCIDR: "0.0.0.0/0", serverAddress: host }],
  };
}

/** `/apis` */
export function groupList(catalog: Catalog): JsonObject {
  return { kind: "APIGroupList", apiVersion: "v1", groups: namedGroups(catalog).map(groupBody) };
}

/** `/apis/GROUP` */
export function oneGroup(catalog: Catalog, name: string): JsonObject {
  const group = namedGroups(catalog).find((each) => each.name === name);
  if (group === undefined) throw noSuchPath();
  return { kind: "APIGroup", apiVersion: "v1", ...groupBody(group) };
}

function groupBody({ name, versions }: DiscoveredGroup): JsonObject {
  const listed = versions.map((version) => ({ groupVersion: groupVersion({ group: name, version }), version }));
  return { name, versions: listed, preferredVersion: defined(listed[0]) };
}

/** `/api/v1` and `/apis/GROUP/VERSION` */
export function resourceList(catalog: Catalog, group: string, version: string): JsonObject {
  const resources = members(catalog, group, version);
  if (resources.length === 0 && !isReview(group, version)) throw noSuchPath();
  return {
    kind: "APIResourceList",
    apiVersion: "v1",
    groupVersion: groupVersion({ group, version }),
    resources: [
      ...resources.flatMap((resource) => [
        resourceBody(resource),
        ...(resource.hasScale ? [subresourceBody(resource, "scale")] : []),
        ...(resource.hasStatus ? [subresourceBody(resource, "status")] : []),
      ]),
      ...reviewsOf(group, version).map(({ plural, kind }) => ({
        name: plural,
        singularName: kind.toLowerCase(),
        namespaced: false,
        kind,
        verbs: ["create"],
      })),
    ],
  };
}

function members(catalog: Catalog, group: string, version: string): readonly ServedResource[] {
  return catalog.resources.filter((each) => each.group === group && each.version === version);
}

/** Whether it can be posted, and nothing else. */
export function isReviewed(group: string, version: string, plural: string): boolean {
  return reviewsOf(group, version).some((review) => review.plural === plural);
}

const isReview = (group: string, version: string) => reviewsOf(group, version).length > 0;
const reviewsOf = (group: string, version: string) =>
  version === "v1" ? REVIEWS.filter((review) => review.group === group) : [];

function resourceBody({ plural, singular, namespaced, kind, shortNames, categories }: ServedResource): JsonObject {
  return {
    name: plural,
    singularName: singular,
    namespaced,
    kind,
    verbs: VERBS,
    ...(shortNames.length > 0 ? { shortNames } : {}),
    ...(categories.length > 0 ? { categories } : {}),
  };
}

const SCALE = { group: "autoscaling", version: "v1", kind: "Scale" };

function subresourceBody({ plural, namespaced, kind }: ServedResource, name: "scale" | "status"): JsonObject {
  return {
    name: `${plural}/${name}`,
    singularName: "",
    namespaced,
    ...(name === "scale" ? SCALE : { kind }),
    verbs: ["get"],
  };
}

/** The whole catalog at once, as newer clients ask for it at `/api` and `/apis`. */
export function aggregated(catalog: Catalog, core: boolean, version: "v2" | "v2beta1"): JsonObject {
  const groups = core ? catalog.groups.filter(({ name }) => name === "") : namedGroups(catalog);
  return {
    kind: "APIGroupDiscoveryList",
    apiVersion: `apidiscovery.k8s.io/${version}`,
    metadata: {},
    items: groups.map(({ name, versions }) => ({
      metadata: name === "" ? {} : { name },
      versions: versions.map((each) => ({
        version: each,
        resources: [
          ...members(catalog, name, each).map(aggregatedResource),
          ...reviewsOf(name, each).map(({ plural, kind }) => ({
            resource: plural,
            responseKind: { group: "", version: "", kind },
            scope: "Cluster",
            singularResource: kind.toLowerCase(),
            verbs: ["create"],
          })),
        ],
        freshness: "Current",
      })),
    })),
  };
}

function aggregatedResource(resource: ServedResource): JsonObject {
  const { kind, plural, singular, namespaced, shortNames, categories } = resource;
  // Of the group and version that it is listed in.
  const responseKind = { group: "", version: "", kind };
  const subresources = [
    ...(resource.hasScale ? [{ subresource: "scale", responseKind: SCALE, verbs: ["get"] }] : []),
    ...(resource.hasStatus ? [{ subresource: "status", responseKind, verbs: ["get"] }] : []),
  ];
  return {
    resource: plural,
    responseKind,
    scope: namespaced ? "Namespaced" : "Cluster",
    singularResource: singular,
    verbs: VERBS,
    ...(shortNames.length > 0 ? { shortNames } : {}),
    ...(categories.length > 0 ? { categories } : {}),
    ...(subresources.length > 0 ? { subresources } : {}),
  };
}
