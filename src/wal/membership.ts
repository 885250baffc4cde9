/**
 * A cluster's members and the ids that etcd derives for them at bootstrap, so that every member that is restored with
 * the same flags agrees: SHA-1 over sorted peer URLs and the cluster token for a member, over the sorted member ids for
 * the cluster. Source: etcd, `server/etcdserver/api/membership/member.go`, `cluster.go`.
 */

import { createHash } from "node:crypto";
import { defined } from "../errors/defined.ts";
import { MendError } from "../errors/errors.ts";
import { input } from "../errors/input.ts";

export interface Member {
  readonly id: bigint;
  readonly name: string;
  readonly peerUrls: readonly string[];
  readonly clientUrls: readonly string[];
  readonly isLearner: boolean;
}

export interface Membership {
  readonly clusterId: bigint;
  /** By ascending id. */
  readonly members: readonly Member[];
}

/** The members of a new cluster. `cluster` maps names to sorted peer URLs. */
export function newMembership(cluster: ReadonlyMap<string, readonly string[]>, token: string): Membership {
  const members = [...cluster].map(([name, peerUrls]): Member => {
    const id = firstEightBytes(Buffer.from(peerUrls.join("") + token));
    return { id, name, peerUrls, clientUrls: [], isLearner: false };
  });
  members.sort((a, b) => (a.id < b.id ? -1 : a.id > b.id ? 1 : 0));
  for (let i = 1; i < members.length; i++) {
    if (defined(members[i]).id === defined(members[i - 1]).id) {
      const text = `members "${defined(members[i - 1]).name}" and "${defined(members[i]).name}" have the same peer URLs, so the same id`;
      throw new MendError("usage", text, { hint: `give each member URLs of its own in ${input("initialCluster")}` });
    }
  }
  const ids = Buffer.alloc(8 * members.length);
  members.forEach((member, i) => {
    ids.writeBigUInt64BE(member.id, 8 * i);
  });
  return { clusterId: firstEightBytes(ids), members };
}

function firstEightBytes(bytes: Uint8Array): bigint {
  return createHash("sha1").update(bytes).digest().readBigUInt64BE(0);
}

/** As etcd prints ids and names keys by them: hexadecimal without leading zeros. */
export function formatMemberId(id: bigint): string {
  return id.toString(16);
}

/** etcd's JSON of a member, as the `members` bucket and configuration changes hold it, in Go's order and escaping. */
export function encodeMember(member: Member): Uint8Array {
  const fields = [`"id":${member.id}`, ...raftAttributes(member)];
  if (member.name !== "") fields.push(`"name":${goJson(member.name)}`);
  if (member.clientUrls.length > 0) fields.push(`"clientURLs":${goJson(member.clientUrls)}`);
  return Buffer.from(`{${fields.join(",")}}`);
}

/**
 * etcd's v2 store with nothing but the members in it, as JSON: what the raft snapshot of a new cluster holds. Paths and
 * indexes are those that etcd gives them when it adds the members one by one. Source: etcd,
 * `server/etcdserver/api/v2store`.
 */
export function encodeMemberStore(members: readonly Member[]): Uint8Array {
  const directory = (path: string, index: number, children: Readonly<Record<string, unknown>>): unknown => ({
    ...node(path, index, ""),
    Children: children,
  });
  const entries = members.map((member, i): [string, unknown] => {
    const path = `/0/members/${formatMemberId(member.id)}`;
    const attributes = {
      ...node(`${path}/raftAttributes`, i + 1, `{${raftAttributes(member).join(",")}}`),
      Children: null,
    };
    return [formatMemberId(member.id), directory(path, i + 1, { raftAttributes: attributes })];
  });
  const root = directory("/", 0, {
    "0": directory("/0", 0, { members: directory("/0/members", 1, Object.fromEntries(entries)) }),
    "1": directory("/1", 0, {}),
  });
  const store = {
    Root: root,
    CurrentIndex: members.length,
    Stats: { createSuccess: members.length },
    CurrentVersion: 2,
  };
  return Buffer.from(JSON.stringify(store));
}

function node(path: string, index: number, value: string): Readonly<Record<string, unknown>> {
  return { Path: path, CreatedIndex: index, ModifiedIndex: index, ExpireTime: "0001-01-01T00:00:00Z", Value: value };
}

function raftAttributes(member: Member): string[] {
  const fields = [`"peerURLs":${goJson(member.peerUrls)}`];
  if (member.isLearner) fields.push(`"isLearner":true`);
  return fields;
}

/** Go escapes these three in JSON, for pages that embed it. */
function goJson(value: string | readonly string[]): string {
  return JSON.stringify(value).replace(/[<>&]/g, (c) => `\\u00${c.charCodeAt(0).toString(16)}`);
}
