/** Readers of what users and clients write in a line: selectors, moments, times, paths, headers. */

import { InvalidArgumentError } from "commander";
import { parseDuration as parseFlagDuration } from "../../../src/cli/options/duration.ts";
import { parseAddress } from "../../../src/cli/options/listen-address.ts";
import { lineOf } from "../../../src/cli/terminal/escape.ts";
import { parseApiPath } from "../../../src/io/api-server/api-answer.ts";
import { parseNetwork } from "../../../src/kube/ip-network.ts";
import { parseLabelSelector } from "../../../src/kube/label-selector.ts";
import { parseQuantity } from "../../../src/kube/quantity.ts";
import { parseJsonPath } from "../../../src/kubeapi/columns/json-path.ts";
import { parseRevision } from "../../../src/kubeapi/list.ts";
import { parseSpan } from "../../../src/kubeapi/moment.ts";
import { parseAccept } from "../../../src/kubeapi/negotiate.ts";
import { ApiFailure } from "../../../src/kubeapi/status.ts";
import { parseMoment, splitMoment } from "../../../src/repository/moment.ts";
import { parseDuration } from "../../../src/storage/duration.ts";
import { readObjectRequests } from "../../../src/storage/resource-argument.ts";
import { parseTime } from "../../../src/storage/time.ts";
import { parseInitialCluster, parsePeerUrls } from "../../../src/wal/peer-urls.ts";
import { bytesOf, type FuzzTarget, textOf } from "../target.ts";

interface SmallText {
  readonly read: (text: string) => unknown;
  readonly corpus: readonly string[];
  readonly faults?: FuzzTarget["faults"];
}

const NOW = Date.parse("2026-11-29T12:00:00Z");

const SMALL_TEXTS: Readonly<Record<string, SmallText>> = {
  "label selector": { read: parseLabelSelector, corpus: ["a=b,c!=d", "x in (a, b),!y", "a notin (b)", "tier"] },
  moment: {
    read: (text) => [parseMoment(text, NOW), splitMoment(text, NOW)],
    corpus: ["backup.db@latest", "s3://bucket/a@2026-11-29T10:42:17Z", "90m ago", "48120", "2026-11-29 10:42"],
  },
  time: { read: parseTime, corpus: ["2026-11-29T10:42:17.123456789Z", "2026-11-29T10:42:17+02:00"] },
  duration: { read: parseDuration, corpus: ["1h30m", "-1.5s", "300ms", "0"] },
  "duration of a flag": {
    read: (text) => parseFlagDuration(text, "1s"),
    corpus: ["1h30m", "10s", "0"],
    faults: [InvalidArgumentError],
  },
  span: { read: parseSpan, corpus: ["1h", "90m", "2d", "1h30m"] },
  quantity: { read: parseQuantity, corpus: ["100m", "1.5Gi", "-2e3", "0"] },
  network: { read: parseNetwork, corpus: ["10.0.0.0/8", "fd00::/64", "::ffff:1.2.3.4/96"] },
  "JSON path": {
    read: parseJsonPath,
    corpus: [".status.conditions[?(@.type=='Ready')].status", ".spec.a[0].b", ".metadata['x.y']"],
  },
  revision: { read: parseRevision, corpus: ["12", "0", "9007199254740993"], faults: [ApiFailure] },
  accept: {
    read: parseAccept,
    corpus: [
      "application/json;as=Table;v=v1;g=meta.k8s.io,application/json;q=0.9",
      "*/*",
      "application/vnd.kubernetes.protobuf",
    ],
  },
  "path of the API": {
    read: parseApiPath,
    corpus: ["/api/v1/namespaces/default/pods/web/log?x=1", "/apis/apps/v1/deployments"],
  },
  "resource argument": {
    read: (text) => readObjectRequests(text.split(" ")),
    corpus: ["pods", "deploy/web svc/web", "all", "things.example.com/a"],
  },
  "peer URLs": {
    read: (text) => parsePeerUrls(text.split(","), "--flag"),
    corpus: ["http://10.0.0.1:2380,https://[fd00::1]:2380"],
  },
  "initial cluster": {
    read: parseInitialCluster,
    corpus: ["a=http://10.0.0.1:2380,b=http://10.0.0.2:2380,b=http://c:1"],
  },
  "listen address": {
    read: parseAddress,
    corpus: ["127.0.0.1:8080", ":0", "[::1]:443", "localhost"],
    faults: [InvalidArgumentError],
  },
  "text for a terminal": {
    read(text) {
      if (/\p{Cc}|\p{Bidi_Control}/u.test(lineOf`${text}`.slice(0, -1)))
        throw new Error(`something of ${JSON.stringify(text)} reaches the terminal`);
    },
    corpus: ["plain", "\u001b]0;title\u0007", "\u202e\u0085\u009b31m", "\u2066\u2069\r\n\t"],
  },
};

export const SMALL_TEXT_TARGETS: readonly FuzzTarget[] = Object.entries(SMALL_TEXTS).map(
  ([name, { read, corpus, faults }]): FuzzTarget => ({
    name,
    kind: "text",
    corpus: () => corpus.map(bytesOf),
    run: (bytes) => void read(textOf(bytes)),
    ...(faults === undefined ? {} : { faults }),
  }),
);
