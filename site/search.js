/** The search: its data and its index are loaded and made when the field is used for the first time. */
const { root } = document.currentScript.dataset;
const field = document.getElementById("search");
const results = document.getElementById("results");
let index;

/** Scripts and not requests, because a browser allows no requests to files beside a page that it reads from a disk. */
const load = (name) =>
  new Promise((resolve, reject) => {
    const script = document.createElement("script");
    script.src = `${root}assets/${name}`;
    script.onload = resolve;
    script.onerror = reject;
    document.head.append(script);
  });

function ready() {
  index ??= Promise.all([load("minisearch.js"), load("search-data.js")]).then(() => {
    const made = new globalThis.MiniSearch({
      fields: ["title", "page", "text"],
      storeFields: ["url", "page", "title", "text"],
      idField: "url",
      searchOptions: { boost: { title: 4, page: 2 }, prefix: true, fuzzy: (term) => (term.length > 5 ? 0.15 : false) },
    });
    const seen = new Set();
    made.addAll(globalThis.kubemendSections.filter(({ url }) => !seen.has(url) && seen.add(url)));
    return made;
  });
  return index;
}

function excerpt(text, terms) {
  const lower = text.toLowerCase();
  const first = Math.min(...terms.map((term) => lower.indexOf(term)).filter((each) => each >= 0));
  if (!Number.isFinite(first) || first < 60) return text.slice(0, 160);
  return `... ${text.slice(text.indexOf(" ", first - 50) + 1, first + 110)}`;
}

async function show() {
  const query = field.value.trim();
  results.hidden = query === "";
  if (query === "") return;
  const made = await ready();
  if (field.value.trim() !== query) return;
  const all = made.search(query, { combineWith: "AND" });
  const found = (all.length > 0 ? all : made.search(query)).slice(0, 12);
  results.replaceChildren(
    ...found.map(({ url, page, title, text, terms }) => {
      const link = document.createElement("a");
      link.href = root + url;
      link.append(page === title ? title : `${page}: ${title}`);
      const small = document.createElement("small");
      small.append(excerpt(text, terms));
      link.append(small);
      const item = document.createElement("li");
      item.append(link);
      return item;
    }),
  );
  if (found.length === 0) {
    const item = document.createElement("li");
    item.append("nothing found");
    results.append(item);
  }
}

field.addEventListener("input", show);
field.addEventListener("focus", ready);
document.addEventListener("keydown", (event) => {
  if (event.key === "/" && document.activeElement !== field) {
    event.preventDefault();
    field.focus();
  } else if (event.key === "Escape") {
    results.hidden = true;
  } else if (event.key === "Enter" && document.activeElement === field) {
    results.querySelector("a")?.click();
  } else if (event.key === "ArrowDown" || event.key === "ArrowUp") {
    const links = [...results.querySelectorAll("a")];
    if (results.hidden || links.length === 0) return;
    const at = links.indexOf(document.activeElement) + (event.key === "ArrowDown" ? 1 : -1);
    event.preventDefault();
    (at < 0 ? field : links[Math.min(at, links.length - 1)]).focus();
  }
});
