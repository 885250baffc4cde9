/** docs/risks.md names every command, once, and no other: a new command needs an entry. */
import { expect, test } from "vitest";
import { allCommands } from "./commands.ts";
import { readPage } from "./markdown.ts";

const { text } = readPage("docs/risks.md");

function codes(part: string): readonly string[] {
  return [...part.matchAll(/`([^`]+)`/g)].map(([, code]) => code!);
}

test("each command has an entry", async () => {
  const harmless = /^## Commands that change nothing\n\n(.*?)\n\n/ms.exec(text)?.[1];
  const entries = [...text.matchAll(/^\*\*(`[^*]+`)\*\*/gm)].map(([, names]) => names!);
  const named = [harmless ?? "", ...entries].flatMap(codes);
  const commands = (await allCommands()).map(({ words }) => words);
  expect(named.toSorted()).toEqual(commands.toSorted());
});

test("an entry says what is changed, and how it is undone or what the risk is", () => {
  const writing = text.slice(text.indexOf("## Commands that write files of your own"));
  for (const entry of writing.split(/^(?=\*\*`)/m).slice(1)) {
    if (entry.startsWith("**`cluster node`**")) continue;
    expect(entry).toMatch(/^- Change: /m);
    expect(entry).toMatch(/^- (Back|Aside|Never|\*?\*?The risk)/m);
  }
});
