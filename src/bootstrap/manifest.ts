/** Kubernetes manifests as text. */
import { Document, Scalar, type Tags, visit } from "yaml";
import type { JsonObject } from "../kube/object.ts";

/** Plain words that parsers of YAML 1.1 or later take for something else, and that the writer does not quote: `=`, `<<`, `0o17`. */
const MISREAD = /^(?:=|<<|[-+]?0o[0-7_]+)$/;
/**
 * Characters that some parsers read as line breaks or refuse, even within quotes, or that a terminal hides or reorders
 * text by: written as escapes.
 */
const ESCAPED = /[\u007f-\u009f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]/;

/**
 * YAML that Kubernetes reads as it was meant: its parser follows YAML 1.1, where `yes`, `0x1f` and `12:30` are no strings, so strings like
 * these are quoted. Lines are never folded.
 */
export function manifestYaml(object: JsonObject): string {
  const document = new Document(object, { version: "1.1", aliasDuplicateObjects: false, customTags: withoutMerge });
  let escapes = false;
  visit(document, {
    Scalar(_, node) {
      if (typeof node.value !== "string") return;
      const isEscaped = ESCAPED.test(node.value);
      escapes ||= isEscaped;
      if (isEscaped || MISREAD.test(node.value)) node.type = Scalar.QUOTE_DOUBLE;
    },
  });
  const text = document.toString({ lineWidth: 0 }).replace(/^%YAML 1\.1\n---\n/, "");
  if (!escapes) return text;
  return text.replace(
    new RegExp(ESCAPED, "g"),
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

/** The tag of merges writes `<<` as it stands, whatever it is asked for; without it, that is a string like any other. */
function withoutMerge(tags: Tags): Tags {
  return tags.filter(
    (each) => each !== "merge" && (typeof each === "string" || each.tag !== "tag:yaml.org,2002:merge"),
  );
}

/** Numbers beyond 2^53 do not occur in what is written this way. */
export function manifestJson(object: JsonObject): string {
  return `${JSON.stringify(object, (_, value: unknown) => (typeof value === "bigint" ? Number(value) : value), 2)}\n`;
}
