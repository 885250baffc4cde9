/** Search over all names at once, and over contents when asked. */
import { useEffect, useRef, useState } from "preact/hooks";
import { ask, type Contents, type Found, type Names } from "../api.ts";
import { count } from "../format.ts";
import { go, objectHref } from "../route.ts";
import { useAnswer } from "../use-answer.ts";

const SHOWN = 40;

export function Search({ at }: { readonly at: string }) {
  const [words, setWords] = useState("");
  const [isOpen, setOpen] = useState(false);
  const [active, setActive] = useState(0);
  const names = useAnswer<Names>(words.length < 2 ? undefined : "search", { words, limit: SHOWN }, at);
  const contents = useContents(words, at);
  const box = useRef<HTMLDivElement>(null);
  const found: readonly Found[] = words.length < 2 ? [] : [...(names.value?.found ?? []), ...contents.found];
  const close = () => {
    setOpen(false);
    setActive(0);
  };
  const pressed = (event: KeyboardEvent) => {
    if (event.key === "Escape") {
      close();
      (event.currentTarget as HTMLInputElement).blur();
    } else if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      const next = active + (event.key === "ArrowDown" ? 1 : -1);
      setActive(Math.max(0, Math.min(found.length - 1, next)));
    } else if (event.key === "Enter" && found[active] !== undefined) {
      const { namespace, name } = found[active];
      go(objectHref(found[active], namespace, name, at));
      close();
      (event.currentTarget as HTMLInputElement).blur();
    }
  };
  return (
    <div
      class="search"
      ref={box}
      onFocusOut={(event) => {
        if (!box.current?.contains(event.relatedTarget as Node | null)) close();
      }}
    >
      <input
        id="search"
        type="search"
        placeholder="Search names, labels and values"
        aria-label="Search names, labels and values"
        role="combobox"
        list={undefined}
        aria-expanded={isOpen && words.length >= 2}
        aria-controls="results"
        aria-activedescendant={found[active] === undefined ? undefined : `result-${active}`}
        autocomplete="off"
        value={words}
        onInput={(event) => {
          setWords(event.currentTarget.value);
          setOpen(true);
          setActive(0);
        }}
        onFocus={() => setOpen(true)}
        onKeyDown={pressed}
      />
      {isOpen && words.length >= 2 && (
        <div class="results">
          <div id="results" role="listbox" aria-label="Found">
            {found.map((each, i) => (
              <a
                key={`${each.group}/${each.plural}/${each.namespace}/${each.name}`}
                id={`result-${i}`}
                role="option"
                aria-selected={i === active}
                class={i === active ? "active" : ""}
                href={objectHref(each, each.namespace, each.name, at)}
                onClick={close}
                tabIndex={-1}
              >
                <span class="what">{each.kind}</span>
                <span class="name">
                  {each.namespace === null ? "" : <span class="dim">{each.namespace} / </span>}
                  {each.name}
                </span>
              </a>
            ))}
          </div>
          <div class="more" role="status">
            <span>
              {names.value === undefined
                ? ""
                : `${names.value.isComplete ? "" : "more than "}${count(names.value.matches)} by name`}
            </span>
            {contents.state === "idle" && (
              <button
                type="button"
                onClick={() => {
                  document.querySelector<HTMLElement>("#search")?.focus(); // before the button goes away
                  contents.start();
                }}
              >
                Search contents too
              </button>
            )}
            {contents.state !== "idle" && (
              <span>
                {count(contents.found.length)} by contents
                {contents.state === "running" ? `, ${Math.round(contents.progress * 100)} % looked through` : ""}
              </span>
            )}
          </div>
        </div>
      )}
    </div>
  );
}

interface ContentSearch {
  readonly state: "idle" | "running" | "done";
  readonly found: readonly Found[];
  readonly progress: number;
  start(): void;
}

const MOST_FOUND = 100;

/** Looks through the contents bit by bit, as long as the words stay the same. */
function useContents(words: string, at: string): ContentSearch {
  const [result, setResult] = useState<Pick<ContentSearch, "state" | "found" | "progress">>({
    state: "idle",
    found: [],
    progress: 0,
  });
  const running = useRef<AbortController | undefined>(undefined);
  useEffect(() => {
    running.current?.abort();
    setResult({ state: "idle", found: [], progress: 0 });
    return () => running.current?.abort();
  }, [words, at]);
  const start = async () => {
    running.current?.abort();
    const abort = new AbortController();
    running.current = abort;
    setResult({ state: "running", found: [], progress: 0 });
    let found: readonly Found[] = [];
    try {
      for (let cursor = 0; ; ) {
        const part = await ask<Contents>("search-contents", { words, cursor, limit: MOST_FOUND }, at, abort.signal);
        found = [...found, ...part.found];
        const over = part.done || found.length >= MOST_FOUND;
        setResult({ state: over ? "done" : "running", found, progress: part.progress });
        if (over) return;
        cursor = part.cursor;
      }
    } catch (error) {
      if (!abort.signal.aborted) setResult({ state: "done", found, progress: 1 });
      else if (!(error instanceof DOMException)) throw error;
    }
  };
  return { ...result, start: () => void start() };
}
