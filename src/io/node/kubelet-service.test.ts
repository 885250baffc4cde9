import { expect, test } from "vitest";
import { unitOf } from "./kubelet-service.ts";

test.each([
  ["0::/system.slice/kubelet.service\n", "kubelet.service"],
  ["12:pids:/system.slice/kubelet.service\n1:name=systemd:/system.slice/kubelet.service\n0::/\n", "kubelet.service"],
  ["0::/system.slice/system-kubelet.slice/kubelet@main.service\n", "kubelet@main.service"],
  ["0::/runtime.slice/kubelet.service\n", "kubelet.service"],
  ["0::/system.slice/kubelet.service/supervisor\n", "kubelet.service"],
  ["0::/user.slice/user-0.slice/session-3.scope\n", undefined],
  ["0::/user.slice/user-1000.slice/user@1000.service/app.slice/kubelet.service\n", undefined],
  ["0::/kubepods/besteffort/pod1/0123.service\n", undefined],
  ["", undefined],
])("the unit of %j", (groups, unit) => {
  expect(unitOf(groups)).toBe(unit);
});
