/** What changed between two revisions that a backup still holds? Compares by meaning: noise such as status is left out. */
import { diffObjects } from "kubemend";

export async function changesBetween(path: string, before: number, after: number): Promise<string[]> {
  const lines: string[] = [];
  const selection = { requests: [], namespace: undefined, selector: [] };
  await diffObjects(
    {
      sides: [
        { file: path, atRevision: before },
        { file: path, atRevision: after },
      ],
      selection,
      all: false,
    },
    ({ change, kind, namespace, name, fields }) => {
      const paths = fields.map(({ path: field }) => field).join(" ");
      lines.push(`${change} ${kind} ${namespace ?? "-"}/${name} ${paths}`.trimEnd());
    },
  );
  return lines;
}
