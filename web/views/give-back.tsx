/** Builds the command lines that give marked objects back. The page itself writes nothing, anywhere. */
import type { Overview } from "../api.ts";
import type { Basket, Marked } from "../basket.ts";
import { useBasket } from "../basket.ts";
import { commandLines } from "../command-lines.ts";
import { Copy } from "../parts/copy.tsx";
import { Failure } from "../parts/failure.tsx";
import { objectHref } from "../route.ts";

export function GiveBack({
  at,
  overview,
  basket,
}: {
  readonly at: string;
  readonly overview: Overview | undefined;
  readonly basket: Basket;
}) {
  const marked = useBasket();
  if (marked.length === 0) {
    return (
      <div class="gapped">
        <h1>Give back</h1>
        <p>
          Mark objects in their own view, or with <kbd>m</kbd> in a table. The command that gives them back to a cluster
          appears here, to copy and run where that cluster can be reached.
        </p>
      </div>
    );
  }
  const commands = overview === undefined ? [] : commandLines(overview.backup.command, overview.lastRevision, marked);
  return (
    <div class="gapped">
      <h1>Give back</h1>
      <p>
        This page never writes. Run the command where the cluster can be reached, with its own kubeconfig. It shows its
        plan first and asks before it changes anything; what is there already is left alone unless you add{" "}
        <code>--changed</code>.
      </p>
      {overview !== undefined && !overview.showSecrets && marked.some(({ kind }) => kind === "Secret") && (
        <Failure text="Secrets are hidden on this page only: the command reads them from the backup." />
      )}
      {commands.map((command) => (
        <Copy key={command} text={command} />
      ))}
      <table class="plain">
        <thead>
          <tr>
            <th>Object</th>
            <th>From</th>
            <th>
              <span class="visually-hidden">Remove</span>
            </th>
          </tr>
        </thead>
        <tbody>
          {marked.map((each) => (
            <Item each={each} at={at} basket={basket} />
          ))}
        </tbody>
      </table>
      <div>
        <button type="button" onClick={() => basket.clear()}>
          Remove all marks
        </button>
      </div>
    </div>
  );
}

function Item({ each, at, basket }: { readonly each: Marked; readonly at: string; readonly basket: Basket }) {
  return (
    <tr>
      <td>
        <a href={objectHref(each, each.namespace, each.name, each.revision === 0 ? at : String(each.revision))}>
          {each.namespace === null ? "" : `${each.namespace} / `}
          {each.name}
        </a>{" "}
        <span class="dim">{each.kind}</span>
      </td>
      <td class="number">{each.revision === 0 ? "the newest moment" : `revision ${each.revision}`}</td>
      <td class="right">
        <button
          type="button"
          class="plain"
          onClick={() => basket.toggle(each)}
          aria-label={`Remove the mark of ${each.name}`}
        >
          ✕
        </button>
      </td>
    </tr>
  );
}
