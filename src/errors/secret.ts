/**
 * Secrets are a type of their own, so that none gets into a message, a log or a report by mistake: only {@link
 * Secret.expose} gives it.
 */

const SHOWN = "[secret]";

/**
 * A password, a token or the bytes of a key. Templates, `JSON.stringify`, logging and uncaught errors show
 * `[secret]`.
 */
export class Secret<T extends string | Uint8Array = string> {
  readonly #value: T;

  constructor(value: T) {
    this.#value = value;
  }

  /** For whoever sends it, signs or decrypts with it: never to be put into a text for people. */
  expose(): T {
    return this.#value;
  }

  toString(): string {
    return SHOWN;
  }

  toJSON(): string {
    return SHOWN;
  }

  [Symbol.for("nodejs.util.inspect.custom")](): string {
    return SHOWN;
  }
}

/**
 * A text in which users and passwords of URLs are hidden. In `http`, `https` and `socks5` everything before the last
 * `@` is one; elsewhere (`s3://bucket/a@latest` is a moment) only what has a colon and is in the place of a host. A slash too many or
 * too few makes a path of an address, and its login is one still.
 */
export function withoutLogins(text: string): string {
  if (!text.includes(":") || !text.includes("@")) return text;
  return text.replace(/[^\s"]+/g, (word) => WITH_LOGIN.reduce(hideLogin, word));
}

/** How an address that can have a login begins, up to where its last `@` makes one of it. The third needs its scheme still. */
const WITH_LOGIN: readonly RegExp[] = [
  /\b(https?|socks5h?):\/+/gi,
  /\b(s3|azblob|sftp):\/*[^/@:]*:/gi,
  /:\/{2,}[^/@:]*:/g,
];

/** Each part is looked at once, however long the text is and whatever is in it. */
function hideLogin(word: string, beginning: RegExp): string {
  const end = word.lastIndexOf("@");
  if (end < 0) return word;
  for (const { index, 0: found, 1: named } of word.matchAll(beginning)) {
    if (index + found.length > end) break;
    const from = named === undefined ? schemeBefore(word, index) : index;
    if (from === undefined) continue;
    return `${word.slice(0, from)}${named ?? word.slice(from, index)}://…@${word.slice(end + 1)}`;
  }
  return word;
}

/** Where the scheme begins that ends before `colon`: at its first letter that no letter, digit or underscore is before. */
function schemeBefore(text: string, colon: number): number | undefined {
  let from = colon;
  while (from > 0 && /[a-z0-9+.-]/i.test(text.charAt(from - 1))) from--;
  for (; from < colon; from++) {
    if (/[a-z]/i.test(text.charAt(from)) && !/\w/.test(text.charAt(from - 1))) return from;
  }
  return undefined;
}

/**
 * One address that a user gave, with or without a scheme, broken or not: whatever is before the last `@` may be a
 * login, and what is longer than any scheme is none.
 */
export function withoutLogin(address: string): string {
  const afterLogin = address.replace(/^([a-z][a-z0-9+.-]{0,11}:\/\/)?.*@/is, "$1…@");
  const [, head = "", rest = ""] = /^((?:[^\s=:/@]*=)?(?:[a-z][a-z0-9+.-]{0,11}:\/\/)?)(.*)$/is.exec(afterLogin) ?? [];
  // Behind a space or a second scheme begins another address, whose own @ may be gone.
  const one = untilNextAddress(rest);
  // Where a comma in a password has cut a list of addresses, the @ is in the next one: what is no port is not shown.
  return head + one.replace(/^([^[\]/:]*):(?!\d{0,5}…?(?:[/?#]|$)).*$/is, "$1:…");
}

function untilNextAddress(text: string): string {
  const space = text.search(/\s/);
  const word = space < 0 ? text : text.slice(0, space);
  for (let colon = word.indexOf("://"); colon >= 0; colon = word.indexOf("://", colon + 1)) {
    let from = colon;
    while (from > 0 && /[a-z0-9+.-]/i.test(word.charAt(from - 1))) from--;
    while (from < colon && !/[a-z]/i.test(word.charAt(from))) from++;
    if (from < colon) return `${word.slice(0, from)}…`;
  }
  return space < 0 ? text : `${word}…`;
}

/**
 * The name of a field, or another word, out of a file that holds secrets. A slip of an editor makes a key or a token
 * the name of a field: only what looks like a word
 * of a configuration is shown, letters and hyphens, and not many.
 */
export function shownWord(word: string): string {
  return /^[A-Za-z][A-Za-z-]{0,29}$/.test(word) ? word : "…";
}
