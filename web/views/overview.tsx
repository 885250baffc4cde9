/** What this backup is, and what is in it. */
import type { ControlPlane, Overview as Data, Finding, Verify } from "../api.ts";
import { ago, bytes, count, span, time } from "../format.ts";
import { Failure, Loading } from "../parts/failure.tsx";
import { href, objectHref, resourceParts } from "../route.ts";
import type { Answer } from "../use-answer.ts";

const TONES = 7;

export function Overview({ answer, at }: { readonly answer: Answer<Data>; readonly at: string }) {
  if (answer.error !== undefined) return <Failure text={answer.error} />;
  if (answer.value === undefined) return <Loading />;
  const data = answer.value;
  const { backup } = data;
  return (
    <div class="gapped">
      <h1>{backup.name}</h1>
      <div class="cards three">
        <section class="card">
          <h2>Backup</h2>
          <p class="figure">{data.time === null ? "age not known" : ago(data.time, Date.now())}</p>
          <dl>
            <dt>Newest change</dt>
            <dd class="number">{time(data.lastTime)} UTC</dd>
            <dt>Recorded</dt>
            <dd class="number">
              {data.firstTime === null ? "" : `${span(data.firstTime, data.lastTime)}, `}
              {count(data.lastRevision - data.firstRevision + 1)} revisions
            </dd>
            <dt>Size</dt>
            <dd class="number">{bytes(backup.bytes)}</dd>
            <dt>SHA-256</dt>
            <dd>
              <HashVerdict hash={backup.hash} />
            </dd>
            <dt>Contents</dt>
            <dd>
              <VerifyVerdict verify={backup.verify} />
            </dd>
          </dl>
        </section>
        <section class="card">
          <h2>Cluster</h2>
          <p class="figure">{data.version === null ? "version not known" : `Kubernetes ${data.version}`}</p>
          <dl>
            <dt>Control plane</dt>
            <dd>{FLAVOURS[data.controlPlane.flavour ?? ""] ?? data.controlPlane.flavour}</dd>
            <dt>Nodes</dt>
            <dd class="number">{count(data.nodes.length)}</dd>
            <dt>Etcd members</dt>
            <dd>
              {backup.members.length === 0
                ? "none recorded"
                : backup.members.map(({ name }) => name || "unnamed").join(", ")}
            </dd>
            <dt>Secrets</dt>
            <dd>{data.showSecrets ? <span class="warn">shown</span> : "hidden"}</dd>
          </dl>
        </section>
        <section class="card">
          <h2>Contents</h2>
          <p class="figure number">{count(data.total.objects)} objects</p>
          <dl>
            <dt>Their size</dt>
            <dd class="number">{bytes(data.total.bytes)}</dd>
            <dt>Kinds</dt>
            <dd class="number">{count(data.kinds.filter(({ objects }) => objects > 0).length)}</dd>
            <dt>Namespaces</dt>
            <dd class="number">{count(data.namespaces.length)}</dd>
          </dl>
        </section>
      </div>
      <div class="cards">
        {backup.findings.length > 0 && (
          <section class="card wide">
            <h2>Findings</h2>
            <Findings list={backup.findings} />
            {backup.moreFindings > 0 && (
              <p class="dim">and {count(backup.moreFindings)} more: kubemend snapshot verify lists them all</p>
            )}
          </section>
        )}
        <Sizes data={data} at={at} />
        <ControlPlaneCard plane={data.controlPlane} />
        <AfterRestore plane={data.controlPlane} />
        <section class="card">
          <h2>Nodes</h2>
          <table class="plain">
            <thead>
              <tr>
                <th>Name</th>
                <th>State</th>
                <th class="right">Version</th>
              </tr>
            </thead>
            <tbody>
              {data.nodes.map((node) => (
                <tr>
                  <td>
                    <a
                      href={objectHref(
                        { group: "", version: "v1", plural: "nodes", kind: "Node", namespaced: false },
                        null,
                        node.name,
                        at,
                      )}
                    >
                      {node.name}
                    </a>
                    {node.roles.length > 0 && <span class="dim"> {node.roles.join(", ")}</span>}
                  </td>
                  <td class={node.ready === "True" ? "good" : node.ready === "False" ? "bad" : "warn"}>
                    {node.ready === "True" ? "Ready" : node.ready === "False" ? "Not ready" : "Unknown"}
                    {node.cordoned && ", cordoned"}
                  </td>
                  <td class="right">{node.version}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </section>
        <section class="card">
          <h2>Namespaces</h2>
          <table class="plain">
            <thead>
              <tr>
                <th>Name</th>
                <th>Share</th>
                <th class="right">Objects</th>
              </tr>
            </thead>
            <tbody>
              {data.namespaces.slice(0, 15).map(({ name, objects }) => (
                <tr>
                  <td>
                    <a href={href(["browse", "core", "v1", "pods"], { ns: name, at })}>{name}</a>
                  </td>
                  <td>
                    <div class="meter">
                      <i
                        style={{ width: `${Math.max(2, (100 * objects) / Math.max(1, data.namespaces[0]!.objects))}%` }}
                      />
                    </div>
                  </td>
                  <td class="right number">{count(objects)}</td>
                </tr>
              ))}
            </tbody>
          </table>
          {data.namespaces.length > 15 && <p class="dim">and {count(data.namespaces.length - 15)} more</p>}
        </section>
      </div>
    </div>
  );
}

const FLAVOURS: Readonly<Record<string, string>> = {
  "static-pods": "static pods",
  "self-hosted": "self-hosted",
  "": "not known",
};

function Findings({ list }: { readonly list: readonly Finding[] }) {
  return (
    <ul class="bare gapped">
      {list.map(({ level, code, where, text }) => (
        <li key={`${code} ${where} ${text}`} class={`note ${level === "error" ? "error" : ""}`}>
          <strong>{code}</strong> {text} <span class="dim mono">{where}</span>
        </li>
      ))}
    </ul>
  );
}

/** What `snapshot verify` says, once it has read everything. */
function VerifyVerdict({ verify }: { readonly verify: Verify }) {
  if (verify.state === "pending") return <span class="dim">being verified, {Math.floor(100 * verify.progress)} %</span>;
  if (verify.state === "failed") return <span class="warn">not verified: {verify.text}</span>;
  const hidden = [
    [verify.encrypted, "encrypted"],
    [verify.unreadable, "unreadable"],
  ] as const;
  return (
    <span>
      <span class={verify.state === "ok" ? "good" : "bad"}>{verify.state === "ok" ? "verified" : "damaged"}</span>:{" "}
      {count(verify.objects)} versions of objects decoded
      {hidden.map(([number, what]) => number > 0 && `, ${count(number)} ${what}`)}
    </span>
  );
}

function ControlPlaneCard({ plane }: { readonly plane: ControlPlane }) {
  return (
    <section class="card">
      <h2>Control plane</h2>
      {plane.instead !== null && <p>{plane.instead}</p>}
      {plane.members.length === 0 ? (
        <p class="dim">No pod of a control plane is in this backup.</p>
      ) : (
        <table class="plain">
          <thead>
            <tr>
              <th>Node</th>
              <th>Components</th>
            </tr>
          </thead>
          <tbody>
            {plane.members.map(({ node, components }) => (
              <tr key={node}>
                <td>{node || "not scheduled"}</td>
                <td>
                  {components.map(({ name, running }, i) => (
                    <span key={name} class={running ? "" : "warn"}>
                      {i > 0 && ", "}
                      {name}
                      {!running && " (not running)"}
                    </span>
                  ))}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
      {plane.apiServers.length > 0 && <p class="dim">API servers that were alive: {plane.apiServers.join(", ")}</p>}
    </section>
  );
}

function AfterRestore({ plane }: { readonly plane: ControlPlane }) {
  return (
    <section class="card">
      <h2>After a restore</h2>
      <ol>
        {plane.steps.map((step) => (
          <li key={step}>{step}</li>
        ))}
      </ol>
      <Findings list={plane.notes} />
    </section>
  );
}

function HashVerdict({ hash }: { readonly hash: Data["backup"]["hash"] }) {
  if (hash === "verified") return <span class="good">verified</span>;
  if (hash === "mismatch") return <span class="bad">does not match</span>;
  if (hash === "pending") return <span class="dim">being verified</span>;
  return <span class="warn">{hash === "absent" ? "none in the file" : "not known"}</span>;
}

/** Sizes by kind as one bar, and as a table for those who read. */
function Sizes({ data, at }: { readonly data: Data; readonly at: string }) {
  const kinds = data.kinds.filter(({ objects }) => objects > 0);
  const shown = kinds.slice(0, TONES);
  const rest = kinds.slice(TONES);
  const total = Math.max(1, data.total.bytes);
  const restBytes = rest.reduce((sum, each) => sum + each.bytes, 0);
  return (
    <section class="card wide">
      <h2>Size by kind</h2>
      <div class="stack" aria-hidden="true">
        {shown.map((each, i) => (
          <a
            tabIndex={-1}
            class={`tone-${i}`}
            style={{ flexGrow: each.bytes / total }}
            href={href(["browse", ...resourceParts(each)], { at })}
            title={`${each.plural}: ${bytes(each.bytes)}`}
          />
        ))}
        {restBytes > 0 && (
          <a
            tabIndex={-1}
            class={`tone-${TONES}`}
            style={{ flexGrow: restBytes / total }}
            href={href(["browse"], { at })}
            title={`other kinds: ${bytes(restBytes)}`}
          />
        )}
      </div>
      <table class="plain">
        <thead>
          <tr>
            <th>Kind</th>
            <th class="right">Objects</th>
            <th class="right">Size</th>
            <th class="right">Recorded revisions</th>
          </tr>
        </thead>
        <tbody>
          {kinds.slice(0, 14).map((each, i) => (
            <tr>
              <td>
                <span class={`swatch tone-${Math.min(i, TONES)}`} />
                <a href={href(["browse", ...resourceParts(each)], { at })}>{each.plural}</a>
                {each.group !== "" && <span class="dim"> {each.group}</span>}
              </td>
              <td class="right number">{count(each.objects)}</td>
              <td class="right number">{bytes(each.bytes)}</td>
              <td class="right number">{count(each.revisions)}</td>
            </tr>
          ))}
        </tbody>
      </table>
      {kinds.length > 14 && (
        <p class="dim">
          <a href={href(["browse"], { at })}>and {count(kinds.length - 14)} more kinds</a>
        </p>
      )}
    </section>
  );
}
