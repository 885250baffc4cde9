/** The page: a frame with navigation, search and the slider of moments around one view. */
import { render } from "preact";
import { useEffect, useState } from "preact/hooks";
import type { Overview as OverviewData } from "./api.ts";
import { basket, useBasket } from "./basket.ts";
import { useKeys } from "./keys.ts";
import { Failure } from "./parts/failure.tsx";
import { Search } from "./parts/search.tsx";
import { TimeBar } from "./parts/time-bar.tsx";
import { groupOf, href, useRoute } from "./route.ts";
import { useAnswer } from "./use-answer.ts";
import { Browse } from "./views/browse.tsx";
import { Changes } from "./views/changes.tsx";
import { Diagnosis } from "./views/diagnosis.tsx";
import { GiveBack } from "./views/give-back.tsx";
import { ObjectView } from "./views/object.tsx";
import { Overview } from "./views/overview.tsx";

const THEMES = ["system", "light", "dark"] as const;

function App() {
  const route = useRoute();
  const at = route.query.at ?? "";
  const [looks, setLooks] = useState(0);
  const overview = useAnswer<OverviewData>("overview", {}, at, looks);
  const backup = overview.value?.backup;
  const isPending = backup?.hash === "pending" || backup?.verify.state === "pending";
  useEffect(() => {
    if (!isPending) return;
    const timer = setTimeout(() => setLooks((n) => n + 1), 1000);
    return () => clearTimeout(timer);
  }, [isPending, looks]);
  const [theme, setTheme] = useState(() => localStorage.getItem("theme") ?? "system");
  useEffect(() => {
    localStorage.setItem("theme", theme);
    if (theme === "system") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = theme;
  }, [theme]);
  useKeys(at);
  const chosen = useBasket();
  const [view = "overview", ...rest] = route.parts;
  const title = overview.value?.backup.name ?? "kubemend";
  useEffect(() => {
    document.title = `${rest.at(-1) || view} · ${title}`;
  }, [view, rest.join("/"), title]);
  const nextTheme = THEMES[(THEMES.indexOf(theme as (typeof THEMES)[number]) + 1) % THEMES.length]!;
  const items: readonly (readonly [name: string, text: string, address: string, badge: string])[] = [
    ["overview", "Overview", href([], { at }), ""],
    ["browse", "Browse", href(["browse"], { at }), ""],
    ["changes", "What changed", href(["changes"], { at }), ""],
    ["give-back", "Give back", href(["give-back"], { at }), chosen.length > 0 ? String(chosen.length) : ""],
  ];
  const current = view === "object" ? "browse" : view;
  return (
    <div class="frame">
      <header class="head">
        <button type="button" class="skip" onClick={() => document.querySelector<HTMLElement>("main")?.focus()}>
          Skip to the view
        </button>
        <div class="brand">
          <strong title={overview.value?.backup.place}>{title}</strong>
          <span class="badge">read-only</span>
          {at !== "" && <span class="badge past">an earlier moment</span>}
        </div>
        <span class="spacer" />
        <Search at={at} />
        <button
          type="button"
          class="plain"
          onClick={() => setTheme(nextTheme)}
          aria-label={`Colours: ${theme}. Change to ${nextTheme}`}
          title={`Colours: ${theme}`}
        >
          {theme === "dark" ? "☾" : theme === "light" ? "☀" : "◐"}
        </button>
      </header>
      <nav class="side" aria-label="Views">
        {items.map(([name, text, address, badge]) => (
          <a key={name} href={address} aria-current={current === name ? "page" : undefined}>
            {text}
            {badge !== "" && <span class="badge">{badge}</span>}
          </a>
        ))}
        <div class="keys">
          <kbd>/</kbd> search
          <br />
          <kbd>g</kbd> <kbd>o</kbd> overview
          <br />
          <kbd>g</kbd> <kbd>b</kbd> browse
          <br />
          <kbd>g</kbd> <kbd>c</kbd> what changed
          <br />
          <kbd>g</kbd> <kbd>r</kbd> give back
          <br />
          <kbd>[</kbd> <kbd>]</kbd> earlier, later
        </div>
      </nav>
      <TimeBar at={at} />
      <View view={view} rest={rest} query={route.query} at={at} overview={overview} />
    </div>
  );
}

interface ViewProps {
  readonly view: string;
  readonly rest: readonly string[];
  readonly query: Readonly<Record<string, string>>;
  readonly at: string;
  readonly overview: ReturnType<typeof useAnswer<OverviewData>>;
}

function View({ view, rest, query, at, overview }: ViewProps) {
  const [group, version, plural, namespace, name] = rest;
  const isFull = view === "browse" && plural !== undefined;
  return (
    <main class={isFull ? "main full" : "main"} tabIndex={-1}>
      {view === "overview" && <Overview answer={overview} at={at} />}
      {view === "browse" && <Browse group={groupOf(group)} version={version} plural={plural} query={query} at={at} />}
      {view === "object" && version !== undefined && plural !== undefined && name !== undefined && (
        <ObjectView
          target={{ group: groupOf(group), version, plural, namespace: namespace ?? "", name }}
          tab={query.tab ?? "yaml"}
          query={query}
          at={at}
        />
      )}
      {view === "changes" && <Changes query={query} at={at} overview={overview.value} />}
      {view === "give-back" && <GiveBack at={at} overview={overview.value} basket={basket} />}
      {!["overview", "browse", "object", "changes", "give-back"].includes(view) && (
        <Failure text={`There is no view "${view}".`} />
      )}
    </main>
  );
}

/** The same page shows a backup, or what is wrong with a live cluster: the server says which. */
function Root() {
  const about = useAnswer<{ readonly shows: string }>("about", {}, "");
  if (about.error !== undefined) return <Failure text={about.error} />;
  if (about.value === undefined) return null;
  return about.value.shows === "diagnosis" ? <Diagnosis /> : <App />;
}

render(<Root />, document.querySelector("#app")!);
