import { expect, test } from "vitest";
import { imageVersion, programOf, recogniseComponent } from "./component.ts";

test.each([
  [{ "k8s-app": "kube-apiserver" }, "anything", { component: "kube-apiserver", by: "label" }],
  [{ component: "kube-scheduler" }, "anything", { component: "kube-scheduler", by: "label" }],
  [{ "k8s-app": "self-hosted-kube-apiserver" }, "x", { component: "kube-apiserver", by: "label" }],
  [{ "k8s-app": "exporter", component: "kube-scheduler" }, "x", undefined],
  [{ app: "x" }, "kube-controller-manager", { component: "kube-controller-manager", by: "name" }],
  [{}, "nginx", undefined],
])("labels %j and the name %j", (labels, name, expected) => {
  expect(recogniseComponent(labels, name, {})).toEqual(expected);
});

test.each([
  ["kube-apiserver-m0", "M0", "x", { component: "kube-apiserver", by: "name" }],
  ["kube-apiserver-m0", "m1", "x", undefined],
  ["openshift-kube-scheduler-m0", "m0", "kube-scheduler", { component: "kube-scheduler", by: "container" }],
])("the mirror pod %s on %s with a container %s", (name, nodeName, container, expected) => {
  expect(recogniseComponent({}, name, { nodeName, containers: [{ name: container, command: ["/x"] }] })).toEqual(
    expected,
  );
});

test.each([
  [["/hyperkube", "kube-apiserver", "--x"], "kube-apiserver"],
  [["./hyperkube", "controller-manager"], "kube-controller-manager"],
  [["/usr/bin/flock", "/var/lock/api-server.lock", "/hyperkube", "apiserver"], "kube-apiserver"],
  [["/bin/sh", "-c", "exec /usr/local/bin/kube-scheduler --v=2 >>/log"], "kube-scheduler"],
  [["/bin/sh", "-c", "ulimit -n 9; hyperkube scheduler --v=2"], "kube-scheduler"],
  [["tini", "--", "kube-apiserver"], "kube-apiserver"],
  [["nice", "-n", "-19", "kube-apiserver"], "kube-apiserver"],
  [["numactl", "--cpunodebind=0", "kube-apiserver"], "kube-apiserver"],
  [["/go-runner", "--log-file=/var/log/kube-apiserver.log", "--also-stdout=true", "kube-apiserver"], "kube-apiserver"],
  [["sh", "-c", "exec nice -n -19 ionice -c2 -n0 etcd --logger=zap"], "etcd"],
  [["sh", "-c", "exec watch-termination --a=b -- hyperkube kube-apiserver --x=y"], "kube-apiserver"],
  [["sh", "-c", "exec any-launcher --a=b -- kube-scheduler --x=y"], "kube-scheduler"],
  [["sh", "-c", "GOGC=100 exec kube-apiserver --x=y"], "kube-apiserver"],
  [["sh", "-c", "exec /usr/bin/flock --timeout=60 /var/lock/x kube-controller-manager --x"], "kube-controller-manager"],
  [["sh", "-c", "test -d /etc/etcd && exec kube-apiserver --x"], "kube-apiserver"],
  [["sh", "-c", "curl --data x kube-apiserver"], undefined],
  [["etcdctl", "get"], undefined],
  [["nginx", "--upstream=kube-apiserver"], undefined],
])("the program of %j", (command, expected) => expect(programOf({ command })).toBe(expected));

test.each([
  ["docker.io/local/hyperkube:v1.20.2", "v1.20.2"],
  ["gcr.io/google_containers/hyperkube:1.8.3_coreos.0", "v1.8.3_coreos.0"],
  ["localhost:5000/kube-apiserver:v1.36.2@sha256:abc", "v1.36.2"],
  ["rancher/hardened-kubernetes:v1.28.5-rke2r1-build20231220", "v1.28.5-rke2r1-build20231220"],
  ["localhost:5000/kube-apiserver", undefined],
  ["kube-apiserver:latest", undefined],
  ["kube-apiserver@sha256:abc", undefined],
])("the version of %s", (image, version) => expect(imageVersion(image)).toBe(version));
