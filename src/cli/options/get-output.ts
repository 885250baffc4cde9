/** `-o` of commands that print objects: kubectl's formats, some with a template after an equals sign. */

import { resolve } from "node:path";
import { InvalidArgumentError, Option } from "commander";
import { defined } from "../../errors/defined.ts";
import { MendError } from "../../errors/errors.ts";
import { readGivenTemplate } from "../../operations/snapshot/given-template.ts";
import type { Flag } from "./flag.ts";

const PLAIN = ["text", "wide", "name", "yaml", "json", "jsonl"] as const;
const TEMPLATES = ["jsonpath", "jsonpath-as-json", "go-template", "custom-columns"] as const;
/** kubectl's other names. */
const ALIASES: Readonly<Record<string, string>> = { template: "go-template", templatefile: "go-template-file" };

type PlainOutput = (typeof PLAIN)[number];
type TemplateOutput = (typeof TEMPLATES)[number];

/** A format, and the template of one that has one: empty where it is not given, and `isFile` where it came from a file. */
export type GetOutput =
  | { readonly format: PlainOutput }
  | { readonly format: TemplateOutput; readonly template: string; readonly isFile: boolean };

const FLAGS = "-o, --output <format>";
const TEXT = `output format; also ${TEMPLATES.map((each) => `${each}=TEMPLATE`).join(", ")}, or ${TEMPLATES[0]}-file=PATH and so on`;

export const GET_OUTPUT_FLAG: Flag<GetOutput> = {
  flags: FLAGS,
  text: TEXT,
  option: () =>
    new Option(FLAGS, TEXT)
      .default("text")
      .choices([...PLAIN, ...TEMPLATES])
      .argParser((text) => {
        if (readOutput(text) === undefined)
          throw new InvalidArgumentError(`Allowed choices are ${[...PLAIN, ...TEMPLATES].join(", ")}.`);
        return text;
      }),
  value: (read, { cwd }) => {
    const { name, given, isFile } = defined(readOutput(read as string));
    if (!isTemplate(name)) return { format: name };
    return { format: name, template: isFile ? readTemplate(resolve(cwd, given)) : given, isFile };
  },
};

interface Read {
  readonly name: PlainOutput | TemplateOutput;
  readonly given: string;
  readonly isFile: boolean;
}

function readOutput(text: string): Read | undefined {
  const equals = text.indexOf("=");
  if (equals < 0) {
    const name = [...PLAIN, ...TEMPLATES].find((each) => each === (ALIASES[text] ?? text));
    return name === undefined ? undefined : { name, given: "", isFile: false };
  }
  const typed = text.slice(0, equals);
  const before = ALIASES[typed] ?? typed;
  const isFile = before.endsWith("-file");
  const name = TEMPLATES.find((each) => each === (isFile ? before.slice(0, -"-file".length) : before));
  return name === undefined ? undefined : { name, given: text.slice(equals + 1), isFile };
}

function isTemplate(name: PlainOutput | TemplateOutput): name is TemplateOutput {
  return (TEMPLATES as readonly string[]).includes(name);
}

function readTemplate(path: string): string {
  try {
    return readGivenTemplate(path);
  } catch (error) {
    throw new MendError("usage", "the file with the template cannot be read", { where: path, cause: error });
  }
}
