/** A built-in object in another version whose fields have other names. */

import type { KubeObject } from "../../kube/object.ts";
import { CONVERSIONS } from "../../kubeapi/conversions.ts";

/** Undefined where no such conversion is known. */
export function conversionOf(object: KubeObject, apiVersion: string): KubeObject | undefined {
  const converted = CONVERSIONS.get(`${object.kind} ${object.apiVersion} ${apiVersion}`)?.(object);
  return converted && { ...converted, apiVersion };
}
