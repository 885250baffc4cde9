/** When a snapshot was taken, by the name that its tool gave it. All of them write UTC but where a name has an offset. */

/**
 * Milliseconds, of names such as `etcd-snapshot-NODE-1764412937` (k3s: Unix seconds), `snapshot_2026-11-29_104217.db`
 * (OpenShift's cluster-backup.sh, and scripts), `etcd-2026-11-29T10:42:17Z.db`, `backup-20261129-104217.db`. Undefined
 * where a name tells none.
 */
export function snapshotTime(name: string): number | undefined {
  const unix = /(?:^|[^0-9])(1[0-9]{9})(?:[^0-9]|$)/.exec(name);
  if (unix !== null && /snapshot|on-demand|etcd/.test(name)) return Number(unix[1]) * 1000;
  const found = /(\d{4})-?(\d{2})-?(\d{2})[T_ -]?(\d{2})[:-]?(\d{2})[:-]?(\d{2})?(Z|[+-]\d{2}:?\d{2})?/.exec(name);
  if (found === null) return undefined;
  const [, year, month, day, hours, minutes, seconds = "00", zone = "Z"] = found;
  const offset = zone.replace(/^([+-]\d{2})(\d{2})$/, "$1:$2");
  const time = Date.parse(`${year}-${month}-${day}T${hours}:${minutes}:${seconds}${offset}`);
  return Number.isNaN(time) ? undefined : time;
}
