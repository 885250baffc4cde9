/**
 * A Go template as a tree: the subset of text/template that kubectl's users write. Not read: define, template, block,
 * break and continue.
 */
import { readChunks, type Token, unreadable } from "./tokens.ts";

/** One value or call of a pipeline, with the fields that are taken from it. */
export type Operand =
  | { readonly kind: "dot" }
  | { readonly kind: "field"; readonly path: readonly string[] }
  | { readonly kind: "variable"; readonly name: string; readonly path: readonly string[] }
  | { readonly kind: "literal"; readonly value: string | number | boolean | null }
  | { readonly kind: "function"; readonly name: string }
  | { readonly kind: "group"; readonly pipeline: Pipeline; readonly path: readonly string[] };

/** Commands from left to right: each gets the result of the one before it as its last argument. */
export type Pipeline = readonly (readonly Operand[])[];

export type TemplateNode =
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "print"; readonly pipeline: Pipeline }
  | {
      readonly kind: "assign";
      readonly names: readonly string[];
      readonly declare: boolean;
      readonly pipeline: Pipeline;
    }
  | {
      readonly kind: "if" | "with" | "range";
      readonly names: readonly string[];
      readonly pipeline: Pipeline;
      readonly body: readonly TemplateNode[];
      readonly otherwise: readonly TemplateNode[];
    };

type Block = Extract<TemplateNode, { kind: "if" | "with" | "range" }>;

/** A block that is not closed yet. `chained` ends together with the block around it: it came from `else if`. */
interface Open {
  readonly block: Omit<Block, "body" | "otherwise"> | undefined;
  readonly body: TemplateNode[];
  otherwise: TemplateNode[] | undefined;
  readonly chained: boolean;
}

/** Throws `usage` for a template that cannot be read. */
export function parseGoTemplate(template: string): readonly TemplateNode[] {
  const open: Open[] = [{ block: undefined, body: [], otherwise: undefined, chained: false }];
  const last = (): Open => open.at(-1) as Open;
  const push = (node: TemplateNode): void => void (last().otherwise ?? last().body).push(node);
  const openBlock = (word: Block["kind"], tokens: readonly Token[], chained: boolean): void => {
    const { names, rest } = splitNames(tokens);
    const pipeline = parsePipeline(rest, template);
    open.push({ block: { kind: word, names, pipeline }, body: [], otherwise: undefined, chained });
  };
  const close = (): void => {
    const ended = open.pop() as Open;
    if (ended.block === undefined) throw unreadable(template, "{{end}} has nothing to end");
    push({ ...ended.block, body: ended.body, otherwise: ended.otherwise ?? [] });
    if (ended.chained) close();
  };
  for (const chunk of readChunks(template)) {
    if (chunk.kind === "text") {
      push(chunk);
      continue;
    }
    const [first, ...rest] = chunk.tokens;
    const word = first?.kind === "word" ? first.text : undefined;
    if (first === undefined) throw unreadable(template, "an action is empty");
    if (word === "if" || word === "with" || word === "range") openBlock(word, rest, false);
    else if (word === "end") close();
    else if (word === "else") {
      if (last().block === undefined || last().otherwise !== undefined)
        throw unreadable(template, "{{else}} has no {{if}}, {{with}} or {{range}} before it");
      last().otherwise = [];
      const [next, ...tokens] = rest;
      if (next?.kind === "word" && (next.text === "if" || next.text === "with")) openBlock(next.text, tokens, true);
    } else if (word !== undefined && ["define", "template", "block", "break", "continue"].includes(word))
      throw unreadable(template, `{{${word}}} is not supported`);
    else {
      const { names, declare, rest: tokens } = splitNames(chunk.tokens);
      const pipeline = parsePipeline(tokens, template);
      push(names.length === 0 ? { kind: "print", pipeline } : { kind: "assign", names, declare, pipeline });
    }
  }
  if (open.length > 1) throw unreadable(template, `{{${last().block?.kind}}} has no {{end}}`);
  return last().body;
}

/** The variables before `:=` or `=`. */
function splitNames(tokens: readonly Token[]): { names: string[]; declare: boolean; rest: readonly Token[] } {
  const at = tokens.findIndex((each) => each.kind === "mark" && (each.text === ":=" || each.text === "="));
  if (at < 0) return { names: [], declare: false, rest: tokens };
  const names = tokens.slice(0, at).flatMap((each) => (each.kind === "variable" ? [each.name] : []));
  const mark = tokens[at];
  return { names, declare: mark?.kind === "mark" && mark.text === ":=", rest: tokens.slice(at + 1) };
}

function parsePipeline(tokens: readonly Token[], template: string): Pipeline {
  let position = 0;
  const pipeline = (inGroup: boolean): Pipeline => {
    const commands: Operand[][] = [[]];
    for (;;) {
      const token = tokens[position++];
      const command = commands.at(-1) as Operand[];
      if (token === undefined || (token.kind === "mark" && token.text === ")")) {
        if ((token === undefined) === inGroup) throw unreadable(template, "a parenthesis does not match");
        if (command.length === 0) throw unreadable(template, "a value is missing");
        return commands;
      }
      if (token.kind === "mark" && token.text === "|") {
        if (command.length === 0) throw unreadable(template, "a value is missing before |");
        commands.push([]);
      } else command.push(operand(token));
    }
  };
  const path = (): readonly string[] => {
    const next = tokens[position];
    if (next?.kind !== "field") return [];
    position++;
    return next.path;
  };
  const operand = (token: Token): Operand => {
    if (token.kind === "field") return token;
    if (token.kind === "literal") return token;
    if (token.kind === "variable") return { ...token, path: path() };
    if (token.kind === "word") return { kind: "function", name: token.text };
    if (token.text === ".") return { kind: "dot" };
    if (token.text === "(") return { kind: "group", pipeline: pipeline(true), path: path() };
    throw unreadable(template, `"${token.text}" does not belong there`);
  };
  return pipeline(false);
}
