import { CommanderError } from "commander";
import { expect, test } from "vitest";
import { MendError } from "../errors/errors.ts";
import { asMendError, errorJson, errorText, wantsJson } from "./error-text.ts";

const COMMAND = { words: "etcd", subcommands: ["members", "health"], flags: ["--help"] };

test("every end has a code, and one form for people and one for programs", () => {
  const interrupted = asMendError(new Error("aborted"), true, COMMAND);
  expect(errorText(interrupted)).toBe("interrupted\n");
  expect(JSON.parse(errorJson(interrupted))).toEqual({ error: { code: "interrupted", message: "interrupted" } });
  const usage = asMendError(new CommanderError(1, "x", "error: unknown command 'memebrs'"), false, COMMAND);
  expect(errorText(usage)).toBe(
    "error: unknown command 'memebrs'\nhint: did you mean \"members\"? or run kubemend etcd --help for examples\n",
  );
  expect(JSON.parse(errorJson(usage)).error.code).toBe("usage");
  const own = new MendError("io", "two\nlines", { where: "a\nplace", hint: "do" });
  expect(errorText(own)).toBe("error: two\n  lines\nwhere: a\\nplace\nhint: do\n");
  expect(asMendError(new TypeError("x"), false, COMMAND)).toMatchObject({ code: "internal" });
  const refused = Object.assign(new Error("EACCES"), { code: "EACCES", syscall: "stat", path: "/root/x" });
  expect(asMendError(refused, false, COMMAND)).toMatchObject({ code: "permission-denied", where: "/root/x" });
});

test.each([
  ["-o json", true],
  ["-ojson", true],
  ["--output=json --nope", true],
  ["--output yaml", false],
  ["json", false],
])("%s asks for JSON: %s", (line, expected) => {
  expect(wantsJson(line.split(" "))).toBe(expected);
});
