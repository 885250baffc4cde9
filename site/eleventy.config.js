/**
 * Makes the site of the project's own Markdown: every link relative, no request to anywhere else, and a search that runs
 * in the browser, so that it can be read from a disk when nothing else works.
 */
import { copyFileSync, existsSync, mkdirSync, statSync, writeFileSync } from "node:fs";
import { dirname, join, posix } from "node:path";
import { allPages, GROUPS, outputOf, ROOT, relative, titleOf } from "./pages.js";
import { slugOf } from "./slug.js";

const pages = allPages();
const byPath = new Map(pages.map((page) => [page.path, page]));

/** Links to other pages lead to their HTML; those to files that are no pages are shown as text. */
function linkTarget(from, href) {
  if (/^[a-z]+:|^#/.test(href)) return href;
  const [file, anchor] = href.split("#");
  const path = posix.normalize(posix.join(posix.dirname(from), file)).replace(/\/$/, "");
  const page = [path, `${path}/README.md`].find((each) => byPath.has(each));
  if (page !== undefined) return relative(outputOf(from), outputOf(page)) + (anchor === undefined ? "" : `#${anchor}`);
  if (path.startsWith("docs/images/")) return relative(outputOf(from), path);
  if (!existsSync(join(ROOT, path))) throw new Error(`${from}: "${href}" leads nowhere`);
  return undefined;
}

function links(markdown) {
  markdown.core.ruler.push("kubemend", ({ tokens, env }) => {
    const from = env.page.inputPath.replace(/^(?:\.\/)?pages\//, "");
    const seen = new Map();
    for (const [i, token] of tokens.entries()) {
      if (token.type === "heading_open") {
        const slug = slugOf(tokens[i + 1].content);
        const times = seen.get(slug) ?? 0;
        seen.set(slug, times + 1);
        token.attrSet("id", times === 0 ? slug : `${slug}-${times}`);
      }
      if (token.type === "table_open") token.attrSet("tabindex", "0"); // wide ones scroll, with the keyboard too
      const open = [];
      for (const child of token.children ?? []) {
        if (child.type === "image") child.attrSet("src", linkTarget(from, child.attrGet("src")));
        if (child.type === "link_open") {
          const target = linkTarget(from, child.attrGet("href"));
          open.push(target);
          if (target === undefined) child.hidden = true;
          else child.attrSet("href", target);
        }
        if (child.type === "link_close" && open.pop() === undefined) child.hidden = true;
      }
    }
  });
  // markdown-it renders hidden tokens only where they are blocks.
  // Wide blocks of code scroll, with the keyboard too.
  for (const type of ["fence", "code_block"]) {
    const render = markdown.renderer.rules[type];
    markdown.renderer.rules[type] = (...args) => render(...args).replace("<pre", '<pre tabindex="0"');
  }
  for (const type of ["link_open", "link_close"])
    markdown.renderer.rules[type] = (tokens, i, options, _env, self) =>
      tokens[i].hidden ? "" : self.renderToken(tokens, i, options);
}

function navigation(path) {
  const link = (each) => {
    const current = each === path ? ' aria-current="page"' : "";
    const title = each === "README.md" ? "kubemend" : titleOf(byPath.get(each).text);
    return `<li><a href="${relative(outputOf(path), outputOf(each))}"${current}>${escaped(title)}</a></li>`;
  };
  return GROUPS.map(
    ([title, paths]) => `${title === "" ? "" : `<h2>${title}</h2>`}<ul>${paths.map(link).join("")}</ul>`,
  ).join("");
}

const escaped = (text) => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll('"', "&quot;");

/** What the search looks through: a page's sections, each with its heading, as plain text. */
function sections() {
  return pages.flatMap(({ path, text }) => {
    const title = titleOf(text);
    const parts = text.split(/^(?=#{1,3} )/m).filter((part) => part.trim() !== "");
    return parts.map((part) => {
      const heading = /^#{1,3} (.*)$/m.exec(part)?.[1] ?? title;
      const isTop = part.startsWith("# ") || !part.startsWith("#");
      return {
        url: outputOf(path) + (isTop ? "" : `#${slugOf(heading)}`),
        page: title,
        title: heading.replaceAll("`", ""),
        text: part
          .replace(/^#{1,3} .*$/m, "")
          .replace(/<!--.*?-->/gs, "")
          .replace(/\[([^\]]*)\]\([^)]*\)/g, "$1")
          .replace(/[`*|]/g, "")
          .replace(/-{3,}/g, "")
          .replace(/\s+/g, " ")
          .trim(),
      };
    });
  });
}

export default function (eleventy) {
  eleventy.setUseGitIgnore(false);
  eleventy.setQuietMode(true);
  eleventy.amendLibrary("md", (markdown) =>
    markdown.set({ html: true, linkify: false, typographer: false }).enable("code").use(links),
  );
  eleventy.addFilter("titled", (text) => titleOf(text));
  for (const { path, text } of pages) {
    const output = outputOf(path);
    eleventy.addTemplate(path, text, {
      layout: "page.njk",
      permalink: output,
      title: titleOf(text),
      root: relative(output, "index.html").replace(/index\.html$/, "") || "./",
      navigation: navigation(path),
      templateEngineOverride: "md",
    });
  }
  eleventy.on("eleventy.after", ({ directories }) => {
    const out = join(import.meta.dirname, directories.output);
    const copy = (from, to) => {
      mkdirSync(dirname(join(out, to)), { recursive: true });
      copyFileSync(from, join(out, to));
    };
    for (const name of ["style.css", "search.js"]) copy(join(import.meta.dirname, name), `assets/${name}`);
    copy(join(import.meta.dirname, "node_modules/minisearch/dist/umd/index.js"), "assets/minisearch.js");
    for (const { text } of pages)
      for (const [, name] of text.matchAll(/images\/([\w.-]+)\)/g))
        if (statSync(join(ROOT, "docs/images", name)).isFile())
          copy(join(ROOT, "docs/images", name), `docs/images/${name}`);
    writeFileSync(join(out, "assets/search-data.js"), `globalThis.kubemendSections = ${JSON.stringify(sections())};\n`);
  });
  return {
    dir: { input: "pages", includes: "../includes", output: "../build/site" },
    markdownTemplateEngine: false,
  };
}
