/** What is broken in a live cluster or node, with the evidence and the commands that mend it; refreshed as the program looks again. */
import { useEffect, useState } from "preact/hooks";
import { ago } from "../format.ts";
import { Copy } from "../parts/copy.tsx";
import { Failure, Loading } from "../parts/failure.tsx";
import { useAnswer } from "../use-answer.ts";

interface Trouble {
  readonly level: string;
  readonly code: string;
  readonly where: string;
  readonly text: string;
  readonly area: string;
  readonly evidence: readonly string[];
  readonly consequence: string;
  readonly commands: readonly string[];
  readonly advice?: string;
}

/** Of this node: what is checkpointed, and in which state. */
interface Checkpointer {
  readonly node: string;
  readonly at: string;
  readonly agent: { readonly answers: boolean };
  readonly apiServer: string | null;
  readonly checkpoints: readonly {
    readonly id: string;
    readonly pod: string;
    readonly state: string;
    readonly since: string | null;
    readonly cause: string;
    readonly runs: number | null;
    readonly generations: readonly { readonly number: number; readonly proven: boolean }[];
  }[];
  readonly findings: readonly { readonly level: string; readonly code: string; readonly text: string }[];
}

/** Of any node, as the API server shows it. */
interface NodeCheckpointer {
  readonly node: string;
  readonly agent: {
    readonly pod: string;
    readonly ready: boolean;
    readonly restarts: number;
    readonly waiting: string | null;
  } | null;
  readonly running: readonly string[];
}

interface Result {
  readonly checkpointer?: Checkpointer | null;
  readonly checkpointers?: readonly NodeCheckpointer[] | null;
  readonly verdict: string;
  readonly time: string;
  readonly server: string | null;
  readonly node: string | null;
  readonly troubles: readonly Trouble[];
  readonly areas: readonly { readonly area: string; readonly state: string; readonly text: string }[];
}

const TONES: Readonly<Record<string, string>> = { ok: "good", warning: "warn", broken: "bad", unknown: "dim" };

interface Looked {
  readonly looks: number;
  readonly intervalMs: number;
  readonly error: string | null;
  readonly result: Result | null;
}

const VERDICTS: Readonly<Record<string, readonly [text: string, tone: string]>> = {
  healthy: ["Nothing is broken", "good"],
  broken: ["Something is broken", "bad"],
  unknown: ["Not enough could be seen to judge", "warn"],
};

export function Diagnosis() {
  const [turn, setTurn] = useState(0);
  const { value, error } = useAnswer<Looked>("diagnosis", {}, "", turn);
  useEffect(() => {
    const timer = setInterval(() => setTurn((n) => n + 1), Math.max(1000, (value?.intervalMs ?? 2000) / 2));
    return () => clearInterval(timer);
  }, [value?.intervalMs]);
  const result = value?.result;
  const [verdict, tone] = VERDICTS[result?.verdict ?? ""] ?? [result?.verdict ?? "", ""];
  useEffect(() => {
    document.title = `${verdict || "diagnosis"} · kubemend`;
  }, [verdict]);
  return (
    <main class="main gapped" tabIndex={-1}>
      <h1 class={tone}>{verdict || "Diagnosis"}</h1>
      {error !== undefined && <Failure text={error} />}
      {value?.error != null && <Failure text={value.error} />}
      {result == null && error === undefined && <Loading />}
      {result != null && (
        <>
          <p class="dim" role="status">
            {[result.server, result.node].filter(Boolean).join(" · ")} looked{" "}
            {ago(result.time, Date.now()) || "just now"}
          </p>
          <table class="plain">
            <thead>
              <tr>
                <th>Area</th>
                <th>State</th>
                <th>What is known</th>
              </tr>
            </thead>
            <tbody>
              {result.areas.map(({ area, state, text }) => (
                <tr key={area}>
                  <td>{area}</td>
                  <td class={TONES[state]}>{state}</td>
                  <td>{text}</td>
                </tr>
              ))}
            </tbody>
          </table>
          {result.checkpointer != null && <CheckpointerCard report={result.checkpointer} />}
          {(result.checkpointers?.length ?? 0) > 0 && <NodesCard nodes={result.checkpointers ?? []} />}
          {result.troubles.map((trouble) => (
            <article class="card" key={`${trouble.code} ${trouble.where}`}>
              <h2>
                <span class={trouble.level === "error" ? "bad" : "warn"}>{trouble.level}</span> · {trouble.code}
              </h2>
              <h3>{trouble.text}</h3>
              {trouble.where !== "" && <p class="mono dim">{trouble.where}</p>}
              {trouble.evidence.length > 0 && (
                <ul>
                  {trouble.evidence.map((each) => (
                    <li key={each}>{each}</li>
                  ))}
                </ul>
              )}
              {trouble.consequence !== "" && <p>{trouble.consequence}</p>}
              {trouble.advice !== undefined && <p class="note">{trouble.advice}</p>}
              {trouble.commands.map((command) => (
                <Copy key={command} text={command} />
              ))}
            </article>
          ))}
        </>
      )}
    </main>
  );
}

function NodesCard({ nodes }: { readonly nodes: readonly NodeCheckpointer[] }) {
  return (
    <article class="card">
      <h2>Checkpointers of all nodes</h2>
      <table class="plain">
        <thead>
          <tr>
            <th>Node</th>
            <th>Agent</th>
            <th>Runs copies of</th>
          </tr>
        </thead>
        <tbody>
          {nodes.map(({ node, agent, running }) => (
            <tr key={node}>
              <td>{node}</td>
              <td class={agent?.ready ? "good" : "warn"}>{agent === null ? "none" : agentText(agent)}</td>
              <td class={running.length > 0 ? "warn" : ""}>{running.join(", ") || "nothing"}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </article>
  );
}

function agentText({ ready, restarts, waiting }: NonNullable<NodeCheckpointer["agent"]>): string {
  const state = ready ? "ready" : (waiting ?? "not ready");
  return restarts === 0 ? state : `${state}, ${restarts} restart${restarts === 1 ? "" : "s"}`;
}

function CheckpointerCard({ report }: { readonly report: Checkpointer }) {
  const { node, agent, apiServer, checkpoints, findings } = report;
  return (
    <article class="card">
      <h2>Checkpointer{node !== "" && ` of ${node}`}</h2>
      <p class={agent.answers && apiServer === null ? "good" : "warn"}>
        {agent.answers ? "its agent answers" : "no agent answers: this is what is on disk"}
        {apiServer !== null && `; it cannot ask an API server: ${apiServer}`}
      </p>
      {checkpoints.length > 0 && (
        <table class="plain">
          <thead>
            <tr>
              <th>Pod</th>
              <th>State</th>
              <th>Generations</th>
            </tr>
          </thead>
          <tbody>
            {checkpoints.map(({ id, pod, state, since, cause, runs, generations }) => (
              <tr key={id}>
                <td>{pod}</td>
                <td class={state === "active" ? "warn" : ""}>
                  {state}
                  {since !== null && ` since ${ago(since, Date.now()) || "just now"}`}
                  {cause !== "" && `, ${cause}`}
                </td>
                <td>
                  {generations
                    .map(
                      (each) => `${each.number}${each.proven ? " proven" : ""}${each.number === runs ? " runs" : ""}`,
                    )
                    .join(", ")}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
      {findings.map(({ level, code, text }) => (
        <p key={`${code} ${text}`} class={`note ${level === "error" ? "error" : ""}`}>
          <strong>{code}</strong> {text}
        </p>
      ))}
    </article>
  );
}
