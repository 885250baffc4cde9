/** The fields that a change touched, before and after. */
import type { FieldChange } from "../api.ts";

const MOST = 12;

export function Fields({ fields }: { readonly fields: readonly FieldChange[] }) {
  if (fields.length === 0) return null;
  return (
    <div class="fields">
      {fields.slice(0, MOST).map(({ path, before, after }) => (
        <div class="field">
          <span>{path}</span>
          {before === null ? (
            <span class="dim">was not there</span>
          ) : (
            <del>
              <span class="visually-hidden">before: </span>
              {before}
            </del>
          )}
          {after === null ? (
            <span class="dim">removed</span>
          ) : (
            <ins>
              <span class="visually-hidden">after: </span>
              {after}
            </ins>
          )}
        </div>
      ))}
      {fields.length > MOST && <span class="dim">and {fields.length - MOST} more fields</span>}
    </div>
  );
}
