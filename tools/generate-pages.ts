/** `npm run generate`: pages of the documentation that are made from the code. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { auditPage } from "../src/cli/permissions/audit-lines.ts";
import { codesPage } from "../src/cli/reports/codes-text.ts";

writeFileSync(join(import.meta.dirname, "../docs/codes.md"), codesPage());
writeFileSync(join(import.meta.dirname, "../docs/audit-lines.md"), auditPage());
