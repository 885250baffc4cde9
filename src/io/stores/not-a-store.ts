/** What is no store, though it answers: a login page, a proxy, an address that is none. */
import { MendError } from "../../errors/errors.ts";
import { withoutLogin } from "../../errors/secret.ts";
import { placed, type StoreAnswer } from "./store-request.ts";
import { isElement } from "./xml-text.ts";

/** `what` says what a store would not do, `origin` who answered. */
export function notAStore(where: string, origin: string, what: string): MendError {
  return new MendError("store-refused", `what answers for ${placed(where, origin)} is not such a store: ${what}`, {
    where,
    hint: "check the address, and whether a proxy or a login page answers in its place",
  });
}

/** Throws `store-refused` unless an answer is a whole list: a login page, or half an answer, must not be a list of nothing. */
export function requireList(answer: StoreAnswer, root: string, where: string): string {
  const xml = answer.bytes.toString();
  if (!isElement(xml, root)) throw notAStore(where, answer.origin, "its answer to a list is no list");
  return xml;
}

/** Throws `usage` for what is no address of a web server, or has a login in it, which nothing is signed with. */
export function checkEndpoint(endpoint: string): void {
  const url = URL.canParse(endpoint) ? new URL(endpoint) : undefined;
  const isWeb = url?.protocol === "http:" || url?.protocol === "https:";
  if (isWeb && url.username === "" && url.password === "" && url.search === "" && url.hash === "") return;
  throw new MendError("usage", `"${withoutLogin(endpoint)}" is not the endpoint of a store`, {
    hint: "give an address such as https://minio.example:9000, and the keys by the variables of the store's own tools",
  });
}
