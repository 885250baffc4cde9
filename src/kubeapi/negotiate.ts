/** What an Accept header asks for: an encoding, and whether the objects themselves, a table of them, or only their metadata. */
import { ApiFailure } from "./status.ts";

export type Encoding = "json" | "yaml" | "protobuf" | "cbor";

type Form = "object" | "table" | "metadata";

export interface Negotiated {
  readonly encoding: Encoding;
  readonly form: Form;
  /** The version of the table or metadata that was asked for: `v1` or `v1beta1`. */
  readonly formVersion: string;
}

export const MEDIA_TYPES: Readonly<Record<Encoding, string>> = {
  json: "application/json",
  yaml: "application/yaml",
  protobuf: "application/vnd.kubernetes.protobuf",
  cbor: "application/cbor",
};

interface Clause {
  readonly type: string;
  readonly parameters: ReadonlyMap<string, string>;
  readonly quality: number;
}

/** The clauses of an Accept header, the most wanted first. */
export function parseAccept(header: string | undefined): readonly Clause[] {
  const text = header?.trim() ?? "";
  if (text === "") return [{ type: "*/*", parameters: new Map(), quality: 1 }];
  return text
    .split(",")
    .map((part) => {
      const [type = "", ...parameters] = part.split(";").map((each) => each.trim());
      const pairs = parameters.map((each): [string, string] => {
        const at = each.indexOf("=");
        return at < 0 ? [each, ""] : [each.slice(0, at).toLowerCase(), each.slice(at + 1).replace(/^"(.*)"$/, "$1")];
      });
      const map = new Map(pairs);
      const quality = Number(map.get("q") ?? 1);
      return { type: type.toLowerCase(), parameters: map, quality: Number.isFinite(quality) ? quality : 0 };
    })
    .filter(({ type, quality }) => type !== "" && quality > 0)
    .sort((a, b) => b.quality - a.quality);
}

const ENCODINGS: ReadonlyMap<string, Encoding> = new Map([
  ["*/*", "json"],
  ["application/*", "json"],
  ["application/json", "json"],
  ["text/json", "json"],
  ["application/yaml", "yaml"],
  ["text/yaml", "yaml"],
  ["application/vnd.kubernetes.protobuf", "protobuf"],
  ["application/cbor", "cbor"],
  ["application/cbor-seq", "cbor"],
]);

const FORMS: ReadonlyMap<string, Form> = new Map([
  ["Table", "table"],
  ["PartialObjectMetadata", "metadata"],
  ["PartialObjectMetadataList", "metadata"],
]);

/** Throws `NotAcceptable` where nothing of what is asked for can be had. `hasProtobuf`: custom resources have no such form. */
export function negotiate(header: string | undefined, hasProtobuf: boolean): Negotiated {
  for (const { type, parameters } of parseAccept(header)) {
    const encoding = ENCODINGS.get(type);
    if (encoding === undefined) continue;
    const as = parameters.get("as");
    const formVersion = parameters.get("v") ?? "v1";
    if (as !== undefined) {
      const form = FORMS.get(as);
      if (form === undefined || parameters.get("g") !== "meta.k8s.io" || !/^v1(beta1)?$/.test(formVersion)) continue;
      if (encoding === "protobuf" && form === "table") continue;
      return { encoding, form, formVersion };
    }
    if (encoding === "protobuf" && !hasProtobuf) continue;
    return { encoding, form: "object", formVersion };
  }
  const types = Object.values(MEDIA_TYPES).filter((type) => hasProtobuf || type !== MEDIA_TYPES.protobuf);
  throw new ApiFailure("NotAcceptable", `only the following media types are accepted: ${types.join(", ")}`);
}

/** The version of aggregated discovery that is asked for before plain JSON, or undefined. */
export function aggregatedVersion(header: string | undefined): "v2" | "v2beta1" | undefined {
  for (const { type, parameters } of parseAccept(header)) {
    if (ENCODINGS.get(type) !== "json") continue;
    if (parameters.get("as") === undefined) return undefined;
    if (parameters.get("as") !== "APIGroupDiscoveryList" || parameters.get("g") !== "apidiscovery.k8s.io") continue;
    const version = parameters.get("v");
    if (version === "v2" || version === "v2beta1") return version;
  }
  return undefined;
}
