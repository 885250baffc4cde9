import { expect, test } from "vitest";
import { cluster } from "../../test/healthy-facts.ts";
import { input } from "../errors/input.ts";
import { judgeBlockers } from "./blockers.ts";
import type { Facts } from "./facts.ts";
import { readUnreadable } from "./unreadable-objects.ts";

test("objects that keep an API server from coming up are named with what removes them from a backup", () => {
  const webhook = {
    configuration: "dead",
    name: "dead.example.com",
    kind: "ValidatingWebhookConfiguration",
    index: 0,
    service: { namespace: "default", name: "nobody" },
    fault: "service-missing",
    deployment: undefined,
    intercepts: "everything",
  };
  const apiService = {
    name: "v1beta1.metrics.k8s.io",
    reason: "x",
    message: "y",
    service: undefined,
    deployment: undefined,
  };
  const nothing = { namespaces: [], quotas: [], disruptionBudgets: [], unreadable: [] };
  const cluster = { webhooks: [webhook], apiServices: [apiService], ...nothing };
  const advice = judgeBlockers({ cluster, access: {} } as unknown as Facts).map((trouble) => trouble.advice);
  expect(advice).toEqual([
    expect.stringContaining(
      `kubemend snapshot restore BACKUP ${input("dataDir")} DIR ${input("remove")} validatingwebhookconfiguration/dead`,
    ),
    expect.stringContaining(
      `kubemend snapshot restore BACKUP ${input("dataDir")} DIR ${input("remove")} apiservice/v1beta1.metrics.k8s.io`,
    ),
  ]);
});

const stuck = (given: object) => {
  const namespace = {
    name: "shop",
    since: Date.now() - 60_000,
    conditions: [],
    finalizers: [],
    ownFinalizers: [],
    remaining: [],
    ...given,
  };
  const facts = { cluster: cluster({ now: Date.now(), namespaces: [namespace] }), access: {} };
  return judgeBlockers(facts as unknown as Facts)[0]!;
};

test("a namespace is freed of the finalizer that holds it, wherever that is", () => {
  const patch = `'-p={"metadata":{"finalizers":null}}'`;
  const own = stuck({ ownFinalizers: ["example.com/hold"] });
  expect(own.text).toContain('held by finalizer "example.com/hold"');
  expect(own.commands).toEqual([`kubectl patch namespace shop --type=merge ${patch}`]);
  expect(own.advice).toContain(
    `kubemend snapshot restore BACKUP ${input("dataDir")} DIR ${input("remove")} namespace/shop`,
  );
  const remaining = ["one", "two"].map((name) => ({ resource: "widgets.example.com", name, finalizers: ["x"] }));
  const held = stuck({ remaining });
  expect(held.commands).toHaveLength(2);
  expect(held.commands[0]).toBe(`kubectl -n shop patch widgets.example.com one --type=merge ${patch}`);
  expect(held.advice).toContain(`${input("remove")} widgets.example.com/one widgets.example.com/two -n shop`);
});

test.each([
  [
    'Internal error occurred: unable to transform key "/registry/secrets/shop/db": no matching key was found',
    "/registry/secrets/shop/db",
  ],
  [String.raw`failed to list: unable to transform key \"/registry/secrets/shop/db\": x`, "/registry/secrets/shop/db"],
  ["data from the storage is not transformable key=/registry/secrets/shop/db: no key", "/registry/secrets/shop/db"],
  ["etcdserver: request timed out", undefined],
  [
    'unable to transform key "/registry/secrets/default/sealed": identity transformer tried to read encrypted data',
    "/registry/secrets/default/sealed",
  ],
  ["couldn't get version/kind; json parse error: invalid character 'o' in literal null", undefined],
])("what an API server says of what it cannot read: %s", (message, key) => {
  expect(readUnreadable(message)?.key).toBe(key);
});

test("an object that the API server does not name is found by a check of a backup", () => {
  const message = "illegal base64 data at input byte 2"; // of 1.20 and 1.36, for a value that is no object
  expect(readUnreadable(message)).toEqual({ key: undefined });
  expect(readUnreadable("etcdserver: request timed out")).toBeUndefined();
  const unreadable = [{ resource: "secrets", key: undefined, message }];
  const [found] = judgeBlockers({ cluster: cluster({ unreadable }), access: {} } as unknown as Facts);
  expect(found).toMatchObject({ where: "secrets", evidence: [message] });
  expect(found!.commands).toEqual([
    "kubemend snapshot save before.db",
    "kubemend snapshot verify before.db",
    `kubemend snapshot restore before.db ${input("dataDir")} DIR ${input("remove")} secret/NAME -n NAMESPACE`,
  ]);
});

test("a Secret that no key opens is named with what removes it, also by the log of an API server that is down", () => {
  const message = 'unable to transform key "/registry/secrets/shop/db": no matching key was found';
  const remove = `kubemend snapshot restore before.db ${input("dataDir")} DIR ${input("remove")} secret/db -n shop`;
  const unreadable = [{ resource: "secrets", key: "/registry/secrets/shop/db", message }];
  const [listed] = judgeBlockers({ cluster: cluster({ unreadable }), access: {} } as unknown as Facts);
  expect(listed).toMatchObject({ code: "stored-object-unreadable", where: "secret shop/db" });
  expect(listed!.commands).toContain(remove);
  expect(listed!.advice).toContain("etcdctl del /registry/secrets/shop/db");
  const log = { path: "/l", staticPod: true, restarts: 4, lastLines: [message, message], ageMilliseconds: 1 };
  const logged = judgeBlockers({ local: { components: [{ log }] }, access: {} } as unknown as Facts);
  expect(logged.map(({ commands }) => commands[1])).toEqual([remove]);
});
