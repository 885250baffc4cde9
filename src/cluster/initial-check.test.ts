import { expect, test } from "vitest";
import { checksPeersAtStart } from "./initial-check.ts";

test.each([
  ["- --experimental-initial-corrupt-check=true", true],
  ["- --experimental-initial-corrupt-check", true],
  ["- --experimental-initial-corrupt-check=false", false],
  ["- --feature-gates=InitialCorruptCheck=true", true],
  ["- --feature-gates=SetMemberLocalAddr=true,InitialCorruptCheck=true", true],
  ["- --feature-gates=InitialCorruptCheck=false", false],
  ["- --experimental-watch-progress-notify-interval=5s", false],
])("%s", (text, checks) => {
  expect(checksPeersAtStart(`command:\n    - etcd\n    ${text}\n`)).toBe(checks);
});
