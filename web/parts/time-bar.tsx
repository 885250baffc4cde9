/** The slider over the recorded history, with a strip that shows how much was written when. Every view follows it. */
import { useEffect, useRef, useState } from "preact/hooks";
import type { Bucket, Density } from "../api.ts";
import { count, span, time } from "../format.ts";
import { go, href, parseRoute } from "../route.ts";
import { useAnswer } from "../use-answer.ts";

/** The same place at another moment; none for the newest. */
function moveTo(revision: number, newest: number): void {
  const { parts, query } = parseRoute(location.hash);
  const { at: _, ...rest } = query;
  go(href(parts, { ...rest, at: revision >= newest ? "" : String(revision) }), true);
}

/** A drag moves on after it has rested for so long. */
const REST_MS = 120;

export function TimeBar({ at }: { readonly at: string }) {
  const { value } = useAnswer<Density>("density", { buckets: 160 }, "");
  const [dragged, setDragged] = useState<number | undefined>(undefined);
  const timer = useRef<ReturnType<typeof setTimeout> | undefined>(undefined);
  const last = value?.lastRevision ?? 0;
  const moment = at === "" ? last : Number(at);
  const shown = dragged === undefined ? moment : (value?.buckets[dragged]?.to ?? moment);
  useEffect(() => {
    const step = (event: Event) => {
      if (value === undefined) return;
      const amount = (event as CustomEvent<number>).detail;
      const index = bucketOf(value.buckets, shown);
      let next = index + amount;
      // Spans in which nothing was written are passed over.
      while (value.buckets[next] !== undefined && value.buckets[next]!.to === shown) next += amount;
      const bucket = value.buckets[next];
      if (bucket !== undefined) moveTo(bucket.to, last);
    };
    addEventListener("step-moment", step);
    return () => removeEventListener("step-moment", step);
  });
  if (value === undefined) return <div class="time" />;
  const bucket = value.buckets[bucketOf(value.buckets, shown)];
  const most = Math.max(1, ...value.buckets.map(({ writes, deletions }) => writes + deletions));
  const width = 100 / value.buckets.length;
  const slide = (index: number) => {
    setDragged(index);
    clearTimeout(timer.current);
    timer.current = setTimeout(() => {
      setDragged(undefined);
      moveTo(value.buckets[index]!.to, last);
    }, REST_MS);
  };
  const newestTime = value.buckets.at(-1)?.time ?? null;
  const label = `revision ${count(shown)}${bucket?.time ? `, ${time(bucket.time)} UTC` : ""}`;
  return (
    <section class="time" aria-label="Moment">
      <div class="strip">
        <svg viewBox="0 0 100 100" preserveAspectRatio="none" aria-hidden="true">
          {value.buckets.map(({ from, writes, deletions }, i) => {
            const height = Math.sqrt((writes + deletions) / most) * 96;
            const deleted = (deletions / Math.max(1, writes + deletions)) * height;
            const later = from > shown ? "later" : "";
            return (
              <>
                <rect class={later} x={i * width} width={width * 0.82} y={100 - height} height={height} />
                {deletions > 0 && (
                  <rect
                    class={`deleted ${later}`}
                    x={i * width}
                    width={width * 0.82}
                    y={100 - deleted}
                    height={deleted}
                  />
                )}
              </>
            );
          })}
        </svg>
        <input
          type="range"
          aria-label="Moment to look at"
          aria-valuetext={label}
          min={0}
          max={value.buckets.length - 1}
          value={dragged ?? bucketOf(value.buckets, moment)}
          onInput={(event) => slide(Number(event.currentTarget.value))}
        />
      </div>
      <div class="legend">
        <span>{time(value.buckets[0]?.time ?? null)}</span>
        <span class="now number">
          {label}
          {shown < last && bucket?.time && <span class="dim"> · {span(bucket.time, newestTime)} before the end</span>}
        </span>
        {at === "" ? (
          <span>{time(newestTime)}</span>
        ) : (
          <button type="button" onClick={() => moveTo(last, last)}>
            Newest
          </button>
        )}
      </div>
    </section>
  );
}

function bucketOf(buckets: readonly Bucket[], revision: number): number {
  const index = buckets.findLastIndex(({ from, to }) => to === revision || (from <= revision && revision <= to));
  return index < 0 ? buckets.length - 1 : index;
}
