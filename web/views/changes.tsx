/** What changed between two moments, the newest first: which objects, by whom, and what of them. */
import type { Changes as Data, Overview } from "../api.ts";
import { count, time } from "../format.ts";
import { Failure, Loading } from "../parts/failure.tsx";
import { Fields } from "../parts/fields.tsx";
import { go, href, objectHref } from "../route.ts";
import { useAnswer } from "../use-answer.ts";

interface Props {
  readonly query: Readonly<Record<string, string>>;
  readonly at: string;
  readonly overview: Overview | undefined;
}

const PAGE = 100;

/** Nothing where the time is not known. */
const inBrackets = (iso: string | null): string => (time(iso) === "" ? "" : ` (${time(iso)})`);

export function Changes({ query, at, overview }: Props) {
  const from = query.from ?? "";
  const all = query.all === "1";
  const offset = Number(query.offset ?? 0);
  const answer = useAnswer<Data>("changes", { since: from, all, offset, limit: PAGE }, at);
  const set = (changes: Readonly<Record<string, string>>) =>
    go(href(["changes"], { ...query, offset: "", ...changes }), true);
  const { value, error } = answer;
  return (
    <div class="gapped">
      <h1>What changed</h1>
      <div class="toolbar" style={{ padding: 0, border: 0 }}>
        <label>
          since
          <select value={from} onChange={(event) => set({ from: event.currentTarget.value })}>
            <option value="">the oldest recorded moment</option>
            {["1m", "5m", "10m", "1h", "1d"].map((span) => (
              <option value={span}>{span} before the end</option>
            ))}
            {from !== "" && !["1m", "5m", "10m", "1h", "1d"].includes(from) && (
              <option value={from}>revision {from}</option>
            )}
          </select>
        </label>
        <span class="dim">until the moment of the slider</span>
        <label>
          <input
            type="checkbox"
            checked={all}
            onChange={(event) => set({ all: event.currentTarget.checked ? "1" : "" })}
          />{" "}
          status, leases and events too
        </label>
        {at !== "" && (
          <button type="button" onClick={() => go(href(["changes"], { from: at }))}>
            Since this moment instead
          </button>
        )}
      </div>
      {error !== undefined && <Failure text={error} />}
      {value === undefined && error === undefined && <Loading />}
      {value !== undefined && (
        <>
          <p class="dim number">
            revision {count(value.from)}
            {inBrackets(value.fromTime)} to {count(value.to)}
            {inBrackets(value.toTime)}
            {overview !== undefined &&
              value.from === overview.firstRevision &&
              overview.firstRevision > 1 &&
              ": what was before is compacted away"}
          </p>
          {value.changes.length === 0 && <p>Nothing that counts has changed.</p>}
          <div class="timeline">
            {value.changes.map((change) => (
              <article class="change">
                <header>
                  <span
                    class={`kind ${change.change === "removed" ? "bad" : change.change === "added" ? "good" : "warn"}`}
                  >
                    {change.change}
                  </span>
                  <a
                    href={objectHref(
                      change,
                      change.namespace,
                      change.name,
                      change.change === "removed" ? String(value.from) : at,
                    )}
                  >
                    {change.namespace === null ? "" : `${change.namespace} / `}
                    {change.name}
                  </a>
                  <span class="dim">{change.kind}</span>
                  <span class="dim number">
                    revision {count(change.revision)}, {time(change.time)}
                  </span>
                  <span class="dim">
                    {change.writers.map(({ manager, operation }) => `${operation} by ${manager}`).join(", ")}
                  </span>
                </header>
                <Fields fields={change.fields} />
              </article>
            ))}
          </div>
          <div class="toolbar" style={{ padding: 0, border: 0 }}>
            {offset > 0 && (
              <button type="button" onClick={() => set({ offset: String(Math.max(0, offset - PAGE)) })}>
                Newer
              </button>
            )}
            {value.more && (
              <button type="button" onClick={() => set({ offset: String(offset + PAGE) })}>
                Older
              </button>
            )}
          </div>
        </>
      )}
    </div>
  );
}
