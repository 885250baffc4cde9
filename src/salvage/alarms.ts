/**
 * Alarms that etcd raises or disarms when it takes in an entry. Source: etcd, `api/etcdserverpb/raft_internal.proto`,
 * `rpc.proto` (`AlarmRequest`).
 */
import { MendError } from "../errors/errors.ts";
import type { Alarm } from "../mvcc/store-info.ts";
import { createWireCursor } from "../protobuf/message.ts";

const ALARM_FIELD = 10;
const ACTIVATE = 1;
const DEACTIVATE = 2;
const TYPES = ["NONE", "NOSPACE", "CORRUPT"];

/** The alarms after an entry, whose data is etcd's `InternalRaftRequest`. */
export function alarmsAfter(alarms: readonly Alarm[], data: Uint8Array): readonly Alarm[] {
  const request = alarmRequest(data);
  if (request === undefined) return alarms;
  const { action, alarm } = request;
  const others = alarms.filter(({ member, type }) => member !== alarm.member || type !== alarm.type);
  if (action === ACTIVATE) return [...others, alarm];
  return action === DEACTIVATE ? others : alarms;
}

function alarmRequest(data: Uint8Array): { readonly action: number; readonly alarm: Alarm } | undefined {
  try {
    const fields = createWireCursor(data, "an entry", "wal-damaged");
    while (fields.next()) {
      if (fields.field !== ALARM_FIELD) continue;
      const inner = createWireCursor(fields.bytes(), "an alarm", "wal-damaged");
      let action = 0;
      let member = 0n;
      let type = 0;
      while (inner.next()) {
        if (inner.field === 1) action = inner.number();
        else if (inner.field === 2) member = inner.bigint();
        else if (inner.field === 3) type = inner.number();
      }
      return { action, alarm: { member: member.toString(16), type: TYPES[type] ?? String(type) } };
    }
  } catch (error) {
    if (!(error instanceof MendError && error.code === "wal-damaged")) throw error;
  }
  return undefined; // another request, or one of etcd 2
}
