/** Many ConfigMaps from one encoding: only digits of the same length are exchanged, so that millions are made in a minute. */
import { encodeMessage } from "../src/protobuf/message.ts";

const DIGITS = 10;
const UNNUMBERED = "0".repeat(DIGITS);
const CHARACTERS = "abcdefghijklmnopqrstuvwxyz0123456789+/";

export interface ConfigMapTemplate {
  readonly key: Uint8Array;
  readonly value: Uint8Array;
  /** Overwrites {@link key} and {@link value} with the n-th ConfigMap's names; `isChanged`: with another text. */
  fill(n: number, isChanged?: boolean): void;
}

/** `dataBytes`: how much text each holds. Written as the API server does: `k8s\0` and a `runtime.Unknown`. */
export function createConfigMapTemplate(dataBytes: number): ConfigMapTemplate {
  const namespace = `app-${UNNUMBERED.slice(0, 5)}`;
  const name = `settings-${UNNUMBERED}`;
  const key = Buffer.from(`/registry/configmaps/${namespace}/${name}`);
  const data = Array.from({ length: dataBytes }, (_, i) => CHARACTERS[Math.imul(i, i + 7) % CHARACTERS.length] ?? "x");
  const object = encodeMessage((configMap) => {
    configMap.message(1, (metadata) => {
      metadata.string(1, name);
      metadata.string(3, namespace);
      metadata.string(5, `5a3c1f90-b7d2-4e6a-a211-00${UNNUMBERED}`);
      metadata.message(8, (time) => time.varint(1, 1_700_000_000));
    });
    configMap.message(2, (entry) => {
      entry.string(1, "settings");
      entry.string(2, data.join(""));
    });
  });
  const unknown = encodeMessage((message) => {
    message.message(1, (type) => {
      type.string(1, "v1");
      type.string(2, "ConfigMap");
    });
    message.bytes(2, object);
    message.string(3, "");
    message.string(4, "");
  });
  const value = Buffer.concat([Buffer.from("k8s\0"), unknown]);
  const places = [key, value].flatMap((bytes) => [
    ...allPlaces(bytes, namespace).map((at) => ({ bytes, at: at + 4, digits: 5, from: 4000 })),
    ...allPlaces(bytes, UNNUMBERED).map((at) => ({ bytes, at, digits: DIGITS, from: 1 })),
  ]);
  const text = data.join("");
  const textAt = value.indexOf(text);
  return {
    key,
    value,
    fill(n, isChanged = false) {
      value[textAt] = isChanged ? 0x21 : text.charCodeAt(0);
      for (const { bytes, at, digits, from } of places) {
        let rest = Math.floor(n / from);
        for (let i = at + digits - 1; i >= at; i--) {
          bytes[i] = 0x30 + (rest % 10);
          rest = Math.floor(rest / 10);
        }
      }
    },
  };
}

function allPlaces(bytes: Buffer, text: string): number[] {
  const found: number[] = [];
  for (let at = bytes.indexOf(text); at >= 0; at = bytes.indexOf(text, at + text.length)) found.push(at);
  return found;
}
