/** Kinds, and the table of one of them as kubectl prints it, however long it is. */
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { ask, type Kind, type Overview, type Row, type Rows } from "../api.ts";
import { basket, useBasket } from "../basket.ts";
import { count } from "../format.ts";
import { Failure, Loading } from "../parts/failure.tsx";
import { go, href, objectHref, resourceParts } from "../route.ts";
import { useAnswer } from "../use-answer.ts";

interface Props {
  readonly group: string;
  readonly version: string | undefined;
  readonly plural: string | undefined;
  readonly query: Readonly<Record<string, string>>;
  readonly at: string;
}

export function Browse({ group, version, plural, query, at }: Props) {
  const kinds = useAnswer<{ readonly kinds: readonly Kind[] }>("kinds", {}, at);
  const overview = useAnswer<Overview>("overview", {}, at);
  if (kinds.error !== undefined) return <Failure text={kinds.error} />;
  if (kinds.value === undefined || overview.value === undefined) return <Loading />;
  const kind = kinds.value.kinds.find(
    (each) => each.group === group && each.version === version && each.plural === plural,
  );
  if (plural === undefined) return <Kinds kinds={kinds.value.kinds} overview={overview.value} at={at} />;
  if (kind === undefined) return <Failure text={`There is no kind "${plural}" at this moment.`} />;
  return (
    <Table
      key={`${group} ${version} ${plural}`}
      kind={kind}
      kinds={kinds.value.kinds}
      namespaces={overview.value.namespaces}
      query={query}
      at={at}
    />
  );
}

function Kinds({
  kinds,
  overview,
  at,
}: {
  readonly kinds: readonly Kind[];
  readonly overview: Overview;
  readonly at: string;
}) {
  const counts = new Map(overview.kinds.map((each) => [`${each.group}/${each.plural}`, each.objects]));
  const unique = [...new Map(kinds.map((each) => [`${each.group}/${each.plural}`, each])).values()];
  const groups = Map.groupBy(
    unique.filter((each) => (counts.get(`${each.group}/${each.plural}`) ?? 0) > 0),
    ({ group }) => group,
  );
  const empty = unique.filter((each) => !counts.get(`${each.group}/${each.plural}`));
  return (
    <div class="gapped">
      <h1>Kinds</h1>
      <div class="cards columns">
        {[...groups].map(([group, members]) => (
          <section class="card">
            <h2>{group === "" ? "core" : group}</h2>
            <table class="plain">
              <tbody>
                {members.map((each) => (
                  <tr>
                    <td>
                      <a href={href(["browse", ...resourceParts(each)], { at })}>{each.plural}</a>
                    </td>
                    <td class="right number">{count(counts.get(`${each.group}/${each.plural}`) ?? 0)}</td>
                  </tr>
                ))}
              </tbody>
            </table>
          </section>
        ))}
      </div>
      <details class="fold">
        <summary>{count(empty.length)} kinds without objects</summary>
        <p class="dim">{empty.map(({ plural, group }) => (group === "" ? plural : `${plural}.${group}`)).join(", ")}</p>
      </details>
    </div>
  );
}

const ROW = 32;
const PAGE = 100;
const EXTRA = 12;

interface TableProps {
  readonly kind: Kind;
  readonly kinds: readonly Kind[];
  readonly namespaces: Overview["namespaces"];
  readonly query: Readonly<Record<string, string>>;
  readonly at: string;
}

function Table({ kind, kinds, namespaces, query, at }: TableProps) {
  const namespace = kind.namespaced ? (query.ns ?? "") : "";
  const filter = query.filter ?? "";
  const wide = query.wide === "1";
  const { head, error, row, total, want } = useRows(kind, namespace, filter, at);
  const grid = useRef<HTMLDivElement>(null);
  const [view, setView] = useState({ top: 0, height: 800 });
  const [selected, setSelected] = useState(0);
  useBasket();
  useLayoutEffect(() => {
    const measure = () => setView({ top: grid.current?.scrollTop ?? 0, height: grid.current?.clientHeight ?? 800 });
    measure();
    addEventListener("resize", measure);
    return () => removeEventListener("resize", measure);
  }, [head === undefined]);
  useEffect(() => {
    if (grid.current) grid.current.scrollTop = 0;
    setSelected(0);
  }, [namespace, filter, at]);
  const first = Math.max(0, Math.floor(view.top / ROW) - EXTRA);
  const last = Math.min(total, Math.ceil((view.top + view.height) / ROW) + EXTRA);
  useEffect(() => want(first, last), [first, last, total]);
  const set = (changes: Readonly<Record<string, string>>) =>
    go(href(["browse", ...resourceParts(kind)], { ...query, ...changes }), true);
  const columns = (head?.columns ?? [])
    .map((column, i) => ({ ...column, i }))
    .filter(({ priority }) => wide || priority === 0);
  const showsNamespace = kind.namespaced && namespace === "";
  const widths = columnWidths(
    head,
    columns.map(({ i }) => i),
  );
  const template = `${showsNamespace ? `${widths.namespace}ch ` : ""}${widths.cells.map((width) => `${width}ch`).join(" ")} 1fr`;
  const open = (each: Row | undefined) => {
    if (each !== undefined) go(objectHref(kind, each.namespace, each.name, at));
  };
  const pressed = (event: KeyboardEvent) => {
    const page = Math.max(1, Math.floor(view.height / ROW) - 2);
    const moves: Readonly<Record<string, number>> = {
      ArrowDown: 1,
      j: 1,
      ArrowUp: -1,
      k: -1,
      PageDown: page,
      PageUp: -page,
      Home: -total,
      End: total,
    };
    const move = moves[event.key];
    if (move !== undefined) {
      event.preventDefault();
      const next = Math.max(0, Math.min(total - 1, selected + move));
      setSelected(next);
      const box = grid.current!;
      const y = next * ROW;
      if (y < box.scrollTop) box.scrollTop = y;
      else if (y + 2 * ROW > box.scrollTop + box.clientHeight) box.scrollTop = y + 2 * ROW - box.clientHeight;
    } else if (event.key === "Enter") open(row(selected));
    else if (event.key === "m") {
      const each = row(selected);
      if (each !== undefined)
        basket.toggle({ ...kind, namespace: each.namespace, name: each.name, revision: Number(at || 0) });
    }
  };
  return (
    <>
      <div class="toolbar">
        <h1 class="visually-hidden">{kind.plural}</h1>
        <label>
          <span class="visually-hidden">Kind</span>
          <select
            value={resourceParts(kind).join("/")}
            onChange={(event) => go(href(["browse", ...event.currentTarget.value.split("/")], { at, ns: query.ns }))}
          >
            {kinds.map((each) => (
              <option value={resourceParts(each).join("/")}>
                {each.plural}
                {each.group === "" ? "" : ` · ${each.group}`} · {each.version}
              </option>
            ))}
          </select>
        </label>
        {kind.namespaced && (
          <label>
            <span class="visually-hidden">Namespace</span>
            <select value={namespace} onChange={(event) => set({ ns: event.currentTarget.value })}>
              <option value="">all namespaces</option>
              {namespaces
                .map(({ name }) => name)
                .sort()
                .map((name) => (
                  <option value={name}>{name}</option>
                ))}
            </select>
          </label>
        )}
        <input
          class="grow"
          type="search"
          placeholder="Filter by name"
          aria-label="Filter by name"
          value={filter}
          onInput={(event) => set({ filter: event.currentTarget.value })}
        />
        <label>
          <input
            type="checkbox"
            checked={wide}
            onChange={(event) => set({ wide: event.currentTarget.checked ? "1" : "" })}
          />{" "}
          wide
        </label>
        <span class="dim number" role="status">
          {head === undefined ? "" : `${count(total)} ${total === 1 ? "object" : "objects"}`}
        </span>
      </div>
      {error !== undefined && <Failure text={error} />}
      <div
        class="grid"
        ref={grid}
        role="grid"
        aria-label={kind.plural}
        aria-rowcount={total + 1}
        tabIndex={0}
        onScroll={() => setView({ top: grid.current!.scrollTop, height: grid.current!.clientHeight })}
        onKeyDown={pressed}
      >
        <div class="rows" style={{ height: `${(total + 1) * ROW}px` }} role="presentation">
          <div class="header" role="row" aria-rowindex={1} style={{ gridTemplateColumns: template }}>
            {showsNamespace && <span role="columnheader">Namespace</span>}
            {columns.map(({ name }) => (
              <span role="columnheader">{name}</span>
            ))}
          </div>
          {Array.from({ length: Math.max(0, last - first) }, (_, offset) => {
            const index = first + offset;
            const each = row(index);
            const marked = each !== undefined && basket.has({ ...kind, namespace: each.namespace, name: each.name });
            return (
              <div
                key={index}
                class="row"
                role="row"
                aria-rowindex={index + 2}
                aria-selected={index === selected}
                style={{ top: `${(index + 1) * ROW}px`, gridTemplateColumns: template }}
                onClick={() => {
                  setSelected(index);
                  open(each);
                }}
              >
                {each === undefined ? (
                  <span role="gridcell" class="loading">
                    …
                  </span>
                ) : (
                  <>
                    {showsNamespace && (
                      <span role="gridcell" class="cell dim">
                        {each.namespace}
                      </span>
                    )}
                    {columns.map(({ i, name }) => (
                      <span
                        role="gridcell"
                        class={`cell ${i === 0 ? "first" : ""} ${tone(name, each.cells[i])}`}
                        title={text(each.cells[i])}
                      >
                        {i === 0 && marked && "✓ "}
                        {text(each.cells[i])}
                      </span>
                    ))}
                  </>
                )}
              </div>
            );
          })}
        </div>
      </div>
      {head !== undefined && total === 0 && (
        <p class="dim" style={{ padding: "1rem 1.25rem", position: "absolute", marginTop: "6rem" }}>
          {filter === "" ? "There are none at this moment." : "No name holds these letters."}
        </p>
      )}
    </>
  );
}

const text = (cell: unknown): string =>
  cell === null || cell === undefined ? "" : typeof cell === "string" ? cell : JSON.stringify(cell);

/** Widths that fit the first page of rows, in characters. */
function columnWidths(head: Rows | undefined, columns: readonly number[]) {
  const longest = (texts: Iterable<string>, least: number, most: number): number => {
    let width = least;
    for (const each of texts) width = Math.max(width, Math.min(most, each.length + 1));
    return width;
  };
  const rows = head?.rows ?? [];
  return {
    namespace: longest(
      rows.map(({ namespace }) => namespace ?? ""),
      11,
      28,
    ),
    cells: columns.map((i, n) =>
      longest([head?.columns[i]?.name ?? "", ...rows.map(({ cells }) => text(cells[i]))], 6, n === 0 ? 52 : 36),
    ),
  };
}

const GOOD = /^(Running|Ready|Active|Bound|Complete|Completed|Succeeded|Available|True)$/;
const BAD = /(Error|Failed|BackOff|NotReady|Evicted|OOM|Lost|Invalid|Unreadable|encrypted|unreadable|Warning)/i;

function tone(column: string, cell: unknown): string {
  if (!/^(Status|Type|Phase|Condition)$/.test(column) || typeof cell !== "string")
    return cell === "<encrypted>" || cell === "<unreadable>" ? "status-warn" : "";
  if (BAD.test(cell)) return "status-bad";
  if (GOOD.test(cell)) return "status-good";
  return /Pending|Terminating|Unknown|Waiting|Creating|Disabled/.test(cell) ? "status-warn" : "";
}

/** Rows by number, read a page at a time as they come into sight. */
function useRows(kind: Kind, namespace: string, filter: string, at: string) {
  const key = JSON.stringify([kind.group, kind.version, kind.plural, namespace, filter, at]);
  const state = useRef<{ key: string; pages: Map<number, Rows>; asked: Set<number>; abort: AbortController }>({
    key: "",
    pages: new Map(),
    asked: new Set(),
    abort: new AbortController(),
  });
  const [, redraw] = useState(0);
  const [error, setError] = useState<string | undefined>(undefined);
  if (state.current.key !== key) {
    state.current.abort.abort();
    state.current = { key, pages: new Map(), asked: new Set(), abort: new AbortController() };
  }
  const read = (page: number) => {
    const own = state.current;
    if (own.asked.has(page)) return;
    own.asked.add(page);
    const { group, version, plural } = kind;
    ask<Rows>(
      "rows",
      { group, version, plural, namespace, filter, offset: page * PAGE, count: PAGE },
      at,
      own.abort.signal,
    ).then(
      (rows) => {
        own.pages.set(page, rows);
        setError(undefined);
        redraw((n) => n + 1);
      },
      (reason: Error) => {
        if (!own.abort.signal.aborted) setError(reason.message);
      },
    );
  };
  useEffect(() => read(0), [key]);
  const { pages } = state.current;
  const head = pages.get(0);
  return {
    head,
    error,
    total: head?.total ?? 0,
    row: (index: number): Row | undefined => pages.get(Math.floor(index / PAGE))?.rows[index % PAGE],
    want(first: number, last: number) {
      if (head === undefined) return;
      for (let page = Math.floor(first / PAGE); page * PAGE < last; page++) read(page);
    },
  };
}
