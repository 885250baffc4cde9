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
  const contents = useContents(words, at, names.value?.indexed === 1);
  const box = useRef<HTMLDivElement>(null);
  const found: readonly Found[] = words.length < 2 ? [] : joined(names.value?.found ?? [], contents.found);
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
            {contents.state === "idle" && (names.value?.indexed ?? 1) < 1 && (
              <button
                type="button"
                onClick={() => {
                  document.querySelector<HTMLElement>("#search")?.focus(); // before the button goes away
                  contents.start();
                }}
              >
                Search contents too (index {Math.floor(100 * (names.value?.indexed ?? 0))} % ready)
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

/** Each object once: one that is found by its name holds its name, too. */
function joined(byName: readonly Found[], byContents: readonly Found[]): readonly Found[] {
  const id = ({ group, plural, namespace, name }: Found) => JSON.stringify([group, plural, namespace, name]);
  const named = new Set(byName.map(id));
  return [...byName, ...byContents.filter((each) => !named.has(id(each)))];
}

interface ContentSearch {
  readonly state: "idle" | "running" | "done";
  readonly found: readonly Found[];
  readonly progress: number;
  start(): void;
}

const MOST_FOUND = 100;

/** A search through the contents waits so long for the next letter. */
const REST_MS = 120;

/** Looks through the contents bit by bit, as long as the words stay the same; by itself where there is an index that makes it quick. */
function useContents(words: string, at: string, isQuick: boolean): ContentSearch {
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
  useEffect(() => {
    if (!isQuick || words.length < 2) return;
    const timer = setTimeout(() => void start(), REST_MS);
    return () => clearTimeout(timer);
  }, [words, at, isQuick]);
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
