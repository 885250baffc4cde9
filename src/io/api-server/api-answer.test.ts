import { describe, expect, test } from "vitest";
import { fc } from "../../../test/properties.ts";
import type { JsonObject } from "../../kube/object.ts";
import { faultOfAnswer, parseApiPath } from "./api-answer.ts";
import { ApiError, refusal } from "./api-error.ts";

test.each([
  ["/api/v1/pods?limit=1", { apiVersion: "v1", resource: "pods" }],
  ["/api/v1/namespaces/kube-system", { apiVersion: "v1", resource: "namespaces", name: "kube-system" }],
  ["/api/v1/namespaces/a/pods", { apiVersion: "v1", namespace: "a", resource: "pods" }],
  ["/api/v1/namespaces/a/finalize", { resource: "namespaces", name: "a", subresource: "finalize" }],
  [
    "/apis/apps/v1/namespaces/a/deployments/b/scale",
    { apiVersion: "apps/v1", namespace: "a", name: "b", subresource: "scale" },
  ],
  ["/api/v1/namespaces/a/pods/b%2Fc/eviction", { name: "b/c", subresource: "eviction" }],
])("%s", (path, expected) => {
  expect(parseApiPath(path)).toMatchObject(expected);
});

test.each(["/version", "/readyz?verbose", "/api/v1", "/apis/apps", "/apis/apps/v1", "/"])(
  "%s is no resource",
  (path) => {
    expect(parseApiPath(path)).toBeUndefined();
  },
);

const list = (more: JsonObject = {}): JsonObject => ({
  kind: "PodList",
  apiVersion: "v1",
  metadata: { resourceVersion: "7" },
  items: [{ metadata: { name: "a", namespace: "n", labels: { x: "y" } }, spec: {}, status: {} }],
  ...more,
});
const asked = (method: string, path: string, body?: JsonObject) => ({ method, path, body });

describe("a list", () => {
  test.each<[string, JsonObject]>([
    ["as it should be", list()],
    ["empty", list({ items: [] })],
    ["empty as Go writes it", list({ items: null })],
    ["that continues", list({ metadata: { resourceVersion: "7", continue: "x" } })],
    ["of metadata", { kind: "PartialObjectMetadataList", apiVersion: "meta.k8s.io/v1", metadata: {}, items: [] }],
    ["as a table", { kind: "Table", apiVersion: "meta.k8s.io/v1", metadata: {}, columnDefinitions: [], rows: [] }],
  ])("%s is one", (_, answer) => {
    expect(faultOfAnswer(asked("GET", "/api/v1/pods"), answer)).toBeUndefined();
  });

  test.each<[string, JsonObject]>([
    ["nothing", {}],
    ["another kind", list({ kind: "NodeList" })],
    ["no list", list({ kind: "Pod" })],
    ["another version", list({ apiVersion: "v2" })],
    ["no items", list({ items: undefined as never })],
    ["items that are an object", list({ items: { a: 1 } })],
    ["an item that is null", list({ items: [null] })],
    ["an item without a name", list({ items: [{ metadata: {} }] })],
    ["an item whose name is a number", list({ items: [{ metadata: { name: 5 } }] })],
    ["an item whose namespace is a map", list({ items: [{ metadata: { name: "a", namespace: {} } }] })],
    ["labels that are no texts", list({ items: [{ metadata: { name: "a", labels: { x: 1 } } }] })],
    ["labels that are a list", list({ items: [{ metadata: { name: "a", labels: [] } }] })],
    ["a spec that is a list", list({ items: [{ metadata: { name: "a" }, spec: [] }] })],
    ["a status that is text", list({ items: [{ metadata: { name: "a" }, status: "x" }] })],
    ["owners that are a map", list({ items: [{ metadata: { name: "a", ownerReferences: {} } }] })],
    ["no metadata", list({ metadata: null })],
    ["a version that is a number", list({ metadata: { resourceVersion: 7 } })],
    ["a status of an error", { kind: "Status", apiVersion: "v1", status: "Failure" }],
  ])("of %s is none", (_, answer) => {
    expect(faultOfAnswer(asked("GET", "/api/v1/pods"), answer)).toEqual(expect.any(String));
  });

  test("of every kind that Kubernetes has is known by its plural", async () => {
    const { RESOURCES, apiVersionOf } = await import("../../storage/resources.ts");
    for (const resource of RESOURCES) {
      const apiVersion = apiVersionOf(resource);
      const path = `${resource.group === "" ? "/api" : "/apis"}/${apiVersion}/${resource.resource}`;
      const answer = { ...list(), kind: `${resource.kind}List`, apiVersion };
      expect(faultOfAnswer(asked("GET", path), answer), path).toBeUndefined();
    }
  });
});

describe("an object", () => {
  const pod = { kind: "Pod", apiVersion: "v1", metadata: { name: "a", namespace: "n" } };
  const path = "/api/v1/namespaces/n/pods/a";
  test("is that of the name and namespace", () => {
    expect(faultOfAnswer(asked("GET", path), pod)).toBeUndefined();
    expect(faultOfAnswer(asked("GET", "/api/v1/namespaces/n/pods/b"), pod)).toContain('"a" where "b"');
    expect(faultOfAnswer(asked("GET", "/api/v1/namespaces/m/pods/a"), pod)).toContain('namespace "n"');
    expect(faultOfAnswer(asked("PATCH", path), { ...pod, kind: "Node" })).toContain("pods");
    expect(
      faultOfAnswer(asked("GET", "/apis/example.com/v1/geese/a"), {
        ...pod,
        kind: "Goose",
        apiVersion: "example.com/v1",
      }),
    ).toBeUndefined();
  });

  test("that was made is of the kind that was sent", () => {
    expect(faultOfAnswer(asked("POST", "/api/v1/namespaces/n/pods", pod), pod)).toBeUndefined();
    expect(faultOfAnswer(asked("POST", "/api/v1/namespaces/n/pods", pod), {})).toEqual(expect.any(String));
    const review = { kind: "SelfSubjectAccessReview", apiVersion: "authorization.k8s.io/v1", spec: {} };
    expect(
      faultOfAnswer(asked("POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", review), {
        ...review,
        metadata: {},
        status: {},
      }),
    ).toBeUndefined();
  });

  test("that is deleted or evicted is answered with itself or a success", () => {
    const success = { kind: "Status", apiVersion: "v1", status: "Success" };
    for (const answer of [success, pod]) expect(faultOfAnswer(asked("DELETE", path, {}), answer)).toBeUndefined();
    expect(faultOfAnswer(asked("POST", `${path}/eviction`, { kind: "Eviction" }), success)).toBeUndefined();
    expect(faultOfAnswer(asked("DELETE", path, {}), { ...success, status: "Failure" })).toContain("Failure");
    expect(faultOfAnswer(asked("DELETE", path, {}), {})).toEqual(expect.any(String));
  });
});

test("discovery", () => {
  expect(faultOfAnswer(asked("GET", "/version"), { gitVersion: "v1.36.2" })).toBeUndefined();
  expect(faultOfAnswer(asked("GET", "/version"), {})).toBe("it has no version");
  expect(faultOfAnswer(asked("GET", "/apis/apps"), { kind: "APIGroup", name: "apps" })).toBeUndefined();
  expect(faultOfAnswer(asked("GET", "/apis/apps"), { kind: "APIGroup", name: "batch" })).toContain("apps");
  const resources = { kind: "APIResourceList", groupVersion: "v1", resources: [] };
  expect(faultOfAnswer(asked("GET", "/api/v1"), resources)).toBeUndefined();
  expect(faultOfAnswer(asked("GET", "/apis/apps/v1"), resources)).toContain("apps/v1");
});

test("nothing that JSON can hold makes it throw", () => {
  fc.assert(
    fc.property(
      fc.constantFrom("GET", "POST", "DELETE", "PATCH"),
      fc.constantFrom("/api/v1/pods", "/api/v1/namespaces/a/pods/b", "/version", "/apis/apps", "/api/v1"),
      fc.record(
        {
          kind: fc.jsonValue(),
          apiVersion: fc.jsonValue(),
          metadata: fc.jsonValue(),
          items: fc.jsonValue(),
          rows: fc.jsonValue(),
        },
        { requiredKeys: [] },
      ),
      (method, path, answer) => {
        const fault = faultOfAnswer(asked(method, path), answer as JsonObject);
        expect(fault === undefined || typeof fault === "string").toBe(true);
      },
    ),
  );
});

describe("a refusal", () => {
  const of = (status: number, contentType: string, text: string) =>
    refusal({ status, contentType, text }, "GET /x", "host", "file");
  test("is the API server's by its Status, or in the plain text that it has", () => {
    const serverMessage = of(403, "application/json", '{"kind":"Status","message":"no","reason":"Forbidden"}');
    expect(serverMessage).toMatchObject({ code: "api-denied", status: 403, serverMessage: "no", reason: "Forbidden" });
    expect(of(404, "text/plain; charset=utf-8", "404 page not found\n")).toMatchObject({ status: 404 });
    expect(of(429, "text/plain", "Too many requests, please try again later.")).toMatchObject({ status: 429 });
    expect(of(401, "text/plain", "Unauthorized")).toMatchObject({ code: "api-denied", status: 401 });
  });

  test("by anything else makes nothing absent, forbidden or unknown", () => {
    for (const status of [400, 401, 403, 404, 409]) {
      const error = of(status, "text/html", "<html>");
      expect(error).not.toBeInstanceOf(ApiError);
      expect(error).toMatchObject({
        code: "api-refused",
        message: expect.stringContaining(`status ${status} with content of type text/html`),
      });
    }
    expect(of(404, "application/json", '{"error":"no such route"}')).not.toBeInstanceOf(ApiError);
    expect(of(404, "text/plain", "no such host here")).not.toBeInstanceOf(ApiError);
    expect(of(503, "text/html", "<html>")).toMatchObject({
      status: 503,
      serverMessage: "status 503 with content of type text/html",
    });
  });
});
