/** A Go template as a tree. Source: text/template/parse. */
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
  | { readonly kind: "break" }
  | { readonly kind: "continue" }
  | { readonly kind: "template"; readonly name: string; readonly pipeline: Pipeline | undefined }
  | {
      readonly kind: "if" | "with" | "range";
      readonly names: readonly string[];
      readonly pipeline: Pipeline;
      readonly body: readonly TemplateNode[];
      readonly otherwise: readonly TemplateNode[];
    };

/** What is printed, and what `{{template}}` calls by name. */
export interface GoTemplate {
  readonly body: readonly TemplateNode[];
  readonly named: ReadonlyMap<string, readonly TemplateNode[]>;
}

type Block = Extract<TemplateNode, { kind: "if" | "with" | "range" }>;

/** A block that is not closed yet. `chained` ends together with the block around it: it came from `else if`. */
interface Open {
  readonly block: Omit<Block, "body" | "otherwise"> | undefined;
  /** Of `{{define}}`, and of `{{block}}`, which also calls what it defines. */
  readonly defines?: { readonly name: string; readonly call: Pipeline | undefined; readonly isBlock: boolean };
  readonly body: TemplateNode[];
  otherwise: TemplateNode[] | undefined;
  readonly chained: boolean;
}

/** Throws `usage` for a template that cannot be read. */
export function parseGoTemplate(template: string): GoTemplate {
  const named = new Map<string, readonly TemplateNode[]>();
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
    if (ended.defines !== undefined) {
      const { name, call, isBlock } = ended.defines;
      named.set(name, ended.body);
      if (isBlock) push({ kind: "template", name, pipeline: call });
      return;
    }
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
    } else if (word === "break" || word === "continue") {
      if (!open.some(({ block }) => block?.kind === "range"))
        throw unreadable(template, `{{${word}}} is not in a {{range}}`);
      push({ kind: word });
    } else if (word === "define" || word === "template" || word === "block") {
      const [name, ...tokens] = rest;
      if (name?.kind !== "literal" || typeof name.value !== "string")
        throw unreadable(template, `{{${word}}} has no name in quotes`);
      const pipeline = tokens.length === 0 ? undefined : parsePipeline(tokens, template);
      if (word === "template") push({ kind: "template", name: name.value, pipeline });
      else {
        const isBlock = word === "block";
        if (!isBlock && open.length > 1) throw unreadable(template, "{{define}} stands inside of another block");
        const defines = { name: name.value, call: pipeline, isBlock };
        open.push({ block: undefined, defines, body: [], otherwise: undefined, chained: false });
      }
    } else {
      const { names, declare, rest: tokens } = splitNames(chunk.tokens);
      const pipeline = parsePipeline(tokens, template);
      push(names.length === 0 ? { kind: "print", pipeline } : { kind: "assign", names, declare, pipeline });
    }
  }
  if (open.length > 1)
    throw unreadable(
      template,
      `{{${last().block?.kind ?? (last().defines?.isBlock ? "block" : "define")}}} has no {{end}}`,
    );
  return { body: last().body, named };
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
    if (next?.kind !== "field" || !next.attached) return [];
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
