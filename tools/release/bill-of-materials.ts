/** The packages in a release as CycloneDX, by npm itself, without what differs from one run to the next. */
import { execFileSync } from "node:child_process";

interface Bill {
  serialNumber?: string;
  readonly metadata: { timestamp: string; component: { name: string } };
}

/** `time` is the commit's. */
export function billOfMaterials(root: string, name: string, time: Date): string {
  const options = ["sbom", "--omit", "dev", "--sbom-format", "cyclonedx", "--package-lock-only"];
  const bill = JSON.parse(execFileSync("npm", options, { cwd: root, encoding: "utf8" })) as Bill;
  delete bill.serialNumber;
  bill.metadata.timestamp = time.toISOString();
  bill.metadata.component.name = name;
  return `${JSON.stringify(bill, null, 2)}\n`;
}
