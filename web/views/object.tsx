/** One object: its text, its history, its events, and the objects around it. */
import { useState } from "preact/hooks";
import type { History, Link, ObjectPage } from "../api.ts";
import { basket, useBasket } from "../basket.ts";
import { ago, bytes, count, time } from "../format.ts";
import { Diff } from "../parts/diff.tsx";
import { Failure, Loading } from "../parts/failure.tsx";
import { Fields } from "../parts/fields.tsx";
import { Yaml } from "../parts/yaml.tsx";
import { go, href, objectHref, resourceParts } from "../route.ts";
import { useAnswer } from "../use-answer.ts";

export interface Target {
  readonly group: string;
  readonly version: string;
  readonly plural: string;
  readonly namespace: string;
  readonly name: string;
}

interface Props {
  readonly target: Target;
  readonly tab: string;
  readonly query: Readonly<Record<string, string>>;
  readonly at: string;
}

const TABS = [
  ["yaml", "YAML"],
  ["history", "History"],
  ["events", "Events"],
] as const;

export function ObjectView({ target, tab, query, at }: Props) {
  const { value, error } = useAnswer<ObjectPage>("object", { ...target }, at);
  useBasket();
  const resource = { ...target, kind: value?.kind ?? "", namespaced: target.namespace !== "" };
  const marked = basket.has({ ...resource, namespace: target.namespace || null });
  const choose = (name: string) =>
    go(href(["object", ...resourceParts(resource), target.namespace, target.name], { at, tab: name }), true);
  const [group, version, plural] = resourceParts(resource);
  return (
    <>
      <nav class="crumbs" aria-label="Place">
        <a href={href(["browse"], { at })}>Kinds</a> /
        <a href={href(["browse", group!, version!, plural!], { at })}>{target.plural}</a>
        {target.namespace !== "" && (
          <>
            / <a href={href(["browse", group!, version!, plural!], { at, ns: target.namespace })}>{target.namespace}</a>
          </>
        )}
      </nav>
      <div class="title">
        <h1>{target.name}</h1>
        {value !== undefined && (
          <span class="dim">
            {value.kind} · revision {count(value.revision)} · {bytes(value.bytes)}
          </span>
        )}
        <div class="actions">
          <button
            type="button"
            aria-pressed={marked}
            disabled={value === undefined}
            onClick={() =>
              basket.toggle({
                ...resource,
                kind: value!.kind,
                namespace: target.namespace || null,
                revision: Number(at || 0),
              })
            }
          >
            {marked ? "✓ Marked to give back" : "Mark to give back"}
          </button>
        </div>
      </div>
      {value !== undefined && <Links title="Owned by" links={value.owners ?? []} at={at} />}
      {value !== undefined && <Links title="Refers to" links={value.references ?? []} at={at} />}
      <div class="tabs" role="tablist" aria-label="Views of the object">
        {TABS.map(([name, text]) => (
          <button
            key={name}
            type="button"
            role="tab"
            id={`tab-${name}`}
            aria-selected={tab === name}
            aria-controls="tab-panel"
            onClick={() => choose(name)}
          >
            {text}
            {name === "events" && value?.events !== undefined && value.events.length > 0 && (
              <span class="badge">{value.events.length}</span>
            )}
            {name === "history" && value !== undefined && <span class="badge">{count(value.revisions)}</span>}
          </button>
        ))}
      </div>
      <div id="tab-panel" role="tabpanel" aria-labelledby={`tab-${tab}`}>
        {tab === "yaml" && error !== undefined && <Missing text={error} choose={choose} />}
        {tab === "yaml" && error === undefined && (value === undefined ? <Loading /> : <Text page={value} />)}
        {tab === "events" && value !== undefined && <Events page={value} />}
        {tab === "history" && <HistoryView target={target} query={query} at={at} />}
      </div>
    </>
  );
}

function Missing({ text, choose }: { readonly text: string; readonly choose: (tab: string) => void }) {
  return (
    <div class="gapped">
      <Failure text={text} />
      <p class="dim">
        It is not there at this moment.{" "}
        <button type="button" onClick={() => choose("history")}>
          See its history
        </button>
      </p>
    </div>
  );
}

function Text({ page }: { readonly page: ObjectPage }) {
  if (page.yaml === undefined) return <Failure text={`This object cannot be read: ${page.text ?? page.state}`} />;
  return (
    <>
      <Yaml text={page.yaml} label={`YAML of ${page.name}`} />
      {page.managedFields !== undefined && page.managedFields !== "" && (
        <details class="fold">
          <summary>metadata.managedFields, {count(page.managedFields.split("\n").length - 1)} lines</summary>
          <Yaml text={page.managedFields} label="Managed fields" />
        </details>
      )}
    </>
  );
}

function Links({ title, links, at }: { readonly title: string; readonly links: readonly Link[]; readonly at: string }) {
  if (links.length === 0) return null;
  return (
    <div class="links">
      <span class="dim">{title}</span>
      {links.map(({ kind, name, namespace, role, resource }) =>
        resource === null ? (
          <span class="chip">
            <span class="dim">{kind}</span> {name}
          </span>
        ) : (
          <a class="chip" href={objectHref(resource, resource.namespaced ? namespace : null, name, at)} title={role}>
            <span class="dim">{kind}</span> {name}
          </a>
        ),
      )}
    </div>
  );
}

function Events({ page }: { readonly page: ObjectPage }) {
  const events = page.events ?? [];
  if (events.length === 0) return <p class="dim">No events about it are recorded at this moment.</p>;
  return (
    <table class="plain">
      <thead>
        <tr>
          <th>Time</th>
          <th>Type</th>
          <th>Reason</th>
          <th>Message</th>
          <th>From</th>
          <th class="right">Count</th>
        </tr>
      </thead>
      <tbody>
        {events.map((event) => (
          <tr>
            <td class="number" title={ago(event.time, Date.now())}>
              {time(event.time)}
            </td>
            <td class={event.type === "Warning" ? "warn" : ""}>{event.type}</td>
            <td>{event.reason}</td>
            <td>{event.message}</td>
            <td class="dim">{event.from}</td>
            <td class="right number">{event.count}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function HistoryView({
  target,
  at,
}: {
  readonly target: Target;
  readonly query: Readonly<Record<string, string>>;
  readonly at: string;
}) {
  const { value, error } = useAnswer<History>("history", { ...target }, at);
  const [pair, setPair] = useState<readonly [number, number] | undefined>(undefined);
  if (error !== undefined) return <Failure text={error} />;
  if (value === undefined) return <Loading />;
  const { revisions, total } = value;
  return (
    <div class="timeline">
      {revisions.length < total && (
        <p class="dim">
          The newest {count(revisions.length)} of {count(total)} recorded revisions.
        </p>
      )}
      {revisions.map((each, i) => {
        const earlier = revisions[i + 1];
        const isOpen = pair !== undefined && pair[1] === each.revision;
        return (
          <article class="change">
            <header>
              <span class={`kind ${each.change === "deleted" ? "bad" : each.change === "created" ? "good" : ""}`}>
                {each.change}
              </span>
              <span class="number">revision {count(each.revision)}</span>
              <span class="dim number">{time(each.time)}</span>
              <span class="dim">
                {each.writers
                  .map(({ manager, subresource }) => `${manager}${subresource === "" ? "" : ` (${subresource})`}`)
                  .join(", ")}
              </span>
              {earlier !== undefined && each.change !== "deleted" && earlier.change !== "deleted" && (
                <button
                  type="button"
                  class="plain"
                  aria-expanded={isOpen}
                  onClick={() => setPair(isOpen ? undefined : [earlier.revision, each.revision])}
                >
                  {isOpen ? "Hide" : "Side by side"}
                </button>
              )}
            </header>
            {each.text !== undefined && <p class="dim">{each.text}</p>}
            {isOpen ? <SideBySide target={target} pair={pair} /> : <Fields fields={each.fields} />}
          </article>
        );
      })}
    </div>
  );
}

function SideBySide({ target, pair }: { readonly target: Target; readonly pair: readonly [number, number] }) {
  const { value, error } = useAnswer<{
    readonly texts: readonly { readonly revision: number; readonly text: string }[];
  }>("texts", { ...target, revision: pair }, "");
  if (error !== undefined) return <Failure text={error} />;
  const [before, after] = value?.texts ?? [];
  if (before === undefined || after === undefined) return <Loading />;
  return (
    <Diff
      before={before.text}
      after={after.text}
      names={[`revision ${count(before.revision)}`, `revision ${count(after.revision)}`]}
    />
  );
}
