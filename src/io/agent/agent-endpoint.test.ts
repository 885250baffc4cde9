import { connect } from "node:net";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type AgentEndpoint, askAgent, openAgentEndpoint } from "./agent-endpoint.ts";

let endpoint: AgentEndpoint;
let wrong: string | undefined;

beforeAll(async () => {
  const pages = { health: () => wrong, metrics: () => "up 1\n", status: () => ({ node: "näme" }) };
  endpoint = await openAgentEndpoint("127.0.0.1:0", pages);
});
afterAll(() => endpoint.close());

const url = (path: string) => `http://127.0.0.1:${endpoint.port}${path}`;
const get = async (path: string, init?: RequestInit) => {
  const response = await fetch(url(path), init);
  return `${response.status} ${(await response.text()).trim()}`;
};

test("its pages", async () => {
  expect(await get("/metrics")).toBe("200 up 1");
  expect(await get("/status?x=1")).toBe('200 {"node":"näme"}');
  expect(await askAgent(`127.0.0.1:${endpoint.port}`)).toEqual({ node: "näme" });
  expect(await get("/healthz")).toBe("200 ok");
  wrong = "the disk is full";
  expect(await get("/healthz")).toBe("503 the disk is full");
});

test("nothing but GET of what is there", async () => {
  expect(await get("/secrets")).toBe("404 try /healthz, /metrics or /status");
  expect(await get("/status", { method: "POST", body: "x" })).toBe("405 only GET");
});

/** What comes back for these bytes. */
function answerTo(...parts: string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(endpoint.port, "127.0.0.1");
    let text = "";
    socket.on("data", (chunk) => {
      text += chunk.toString();
    });
    socket.on("error", reject);
    socket.on("close", () => resolve(text.split("\r\n")[0]!));
    for (const part of parts) socket.write(part);
  });
}

test("a request in pieces, nonsense, and one without end", async () => {
  expect(await answerTo("GET /hea", "lthz HTTP/1.1\r\nhost: x\r\n", "\r\n")).toBe("HTTP/1.1 503 Service Unavailable");
  expect(await answerTo("\u0016\u0003\u0001hello\r\n\r\n")).toBe("HTTP/1.1 400 Bad Request");
  expect(await answerTo(`GET /${"a".repeat(10_000)}`)).toBe("HTTP/1.1 431 Request Header Fields Too Large");
});

test("an address that is not the loopback's is refused, and one that is taken is named", async () => {
  const pages = { health: () => undefined, metrics: () => "", status: () => ({}) };
  for (const address of ["0.0.0.0:1", "10.0.0.1:80", "127.0.0.1", "127.0.0.1:99999", "[::]:1"]) {
    await expect(openAgentEndpoint(address, pages)).rejects.toMatchObject({ code: "usage" });
  }
  await expect(openAgentEndpoint(`127.0.0.1:${endpoint.port}`, pages)).rejects.toMatchObject({ code: "port-taken" });
  expect(await askAgent("127.0.0.1:1")).toBeUndefined();
});
