/** The chart as the archive that `helm install` takes: a gzipped tar whose files lie below the chart's name. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import packageJson from "../../package.json" with { type: "json" };
import { encodeTar } from "../tar.ts";

const CHART = import.meta.dirname;

/** The same files give the same bytes. */
export function chartArchive(): Uint8Array {
  const templates = readdirSync(join(CHART, "templates")).map((name) => `templates/${name}`);
  const files = ["Chart.yaml", "values.schema.json", "values.yaml", ...templates].sort();
  const entries = files.map((path) => ({
    path: `${packageJson.name}/${path}`,
    mode: 0o644,
    bytes: readFileSync(join(CHART, path)),
  }));
  return gzipSync(Buffer.concat(encodeTar(entries)), { level: 9 });
}
