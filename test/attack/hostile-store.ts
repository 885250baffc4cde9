/** Misbehaviours of what stands where an S3 store should, beside those of any HTTP server (`hostile-api.ts`). */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { type HostileServer, listenHostile } from "./hostile-server.ts";

type Answer = (request: IncomingMessage, response: ServerResponse) => void;

const XML_TYPE = { "content-type": "application/xml" };
const NAMESPACE = 'xmlns="http://s3.amazonaws.com/doc/2006-03-01/"';

function xml(response: ServerResponse, text: string, status = 200): void {
  response.writeHead(status, XML_TYPE).end(`<?xml version="1.0" encoding="UTF-8"?>\n${text}`);
}

function list(inside: string): string {
  return `<ListBucketResult ${NAMESPACE}><Name>b</Name>${inside}</ListBucketResult>`;
}

const isList = ({ url = "" }: IncomingMessage): boolean => url.includes("list-type=2");

/** Lists are answered by this; objects are not there, and every other request is refused. */
function listing(text: string): Answer {
  return (request, response) => {
    if (isList(request)) xml(response, text);
    else xml(response, "<Error><Code>NoSuchKey</Code></Error>", 404);
  };
}

const ANSWERS: Readonly<Record<string, Answer>> = {
  "takes everything and keeps nothing": (request, response) => {
    if (isList(request)) xml(response, list("<IsTruncated>false</IsTruncated>"));
    else if (request.method === "GET") xml(response, "<Error><Code>NoSuchKey</Code></Error>", 404);
    else response.writeHead(200).end();
  },
  "takes everything and gives back something else": (request, response) => {
    if (isList(request)) xml(response, list("<IsTruncated>false</IsTruncated>"));
    else response.writeHead(200, { etag: '"0"' }).end(request.method === "GET" ? "something else" : undefined);
  },
  "a list whose next page is itself": listing(
    list("<IsTruncated>true</IsTruncated><NextContinuationToken>again</NextContinuationToken>"),
  ),
  "a list whose next page has no name": listing(list("<IsTruncated>true</IsTruncated>")),
  "a list that is cut": listing(`<ListBucketResult ${NAMESPACE}><Name>b</Name><IsTruncated>false</IsTruncated>`),
  "a list of another kind": listing(`<ListAllMyBucketsResult ${NAMESPACE}></ListAllMyBucketsResult>`),
  "entities that are no characters": listing(
    list("<IsTruncated>false</IsTruncated><Contents><Key>&#99999999999;&#xD800;</Key><Size>5</Size></Contents>"),
  ),
  "elements that never end": listing(list(`<IsTruncated>false</IsTruncated>${"<Contents><Key>".repeat(200_000)}`)),
  "sizes that cannot be": listing(
    list("<IsTruncated>false</IsTruncated><Contents><Key>p/repository</Key><Size>1e999</Size></Contents>"),
  ),
  "an error with escapes": (_, response) =>
    xml(
      response,
      "<Error><Code>Odd\u001b[31m</Code><Message>\u001b]0;PWNED\u0007&#27;[31mred&#x202E;</Message></Error>",
      400,
    ),
  "an error without end": (_, response) => xml(response, `<Error><Code>${"x".repeat(1 << 20)}`, 400),
};

export const HOSTILE_STORE: readonly string[] = Object.keys(ANSWERS);

export function startHostileStore(mode: string): Promise<HostileServer> {
  const server = createServer((request, response) => {
    request.resume();
    response.on("error", () => {});
    request.on("end", () => ANSWERS[mode]!(request, response));
  });
  return listenHostile(server, "request");
}
