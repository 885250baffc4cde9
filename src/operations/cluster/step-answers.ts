/**
 * What a node answers to each step. Nothing else is believed: another version of kubemend, a wrapper or a shell's own
 * output may answer something that is no result of the step.
 */
import { z } from "zod";
import { nodeFactsSchema, nodeJournalSchema } from "../../cluster/node-facts.ts";
import { MendError } from "../../errors/errors.ts";
import { memberSchema } from "./node/describe-member.ts";
import type { StepRequest } from "./node/run-step.ts";

const revision = z.number().int().nonnegative();
const names = z.array(z.string());
const sentFileSchema = z.object({
  path: z.string(),
  content: z.string(),
  mode: z.number().int(),
  uid: z.number().int(),
  gid: z.number().int(),
});
const machineSchema = z.object({
  nodeName: z.string(),
  isRoot: z.boolean(),
  hasKubeadm: z.boolean(),
  leftovers: names,
  running: names,
});
const livingClusterSchema = z.object({
  etcd: z.object({
    members: z.array(z.object({ id: z.string(), name: z.string(), peerUrls: names, answers: z.boolean() })),
    quorum: z.number(),
    answeringVoters: z.number(),
  }),
  nodeReady: z.boolean().optional(),
});
const membersProofSchema = z.object({ members: names, revision });
const controlPlaneProofSchema = z.object({
  leases: z.record(z.string(), z.string()),
  nodesReady: names,
  left: names,
});

const SCHEMAS: Readonly<Record<StepRequest["step"], z.ZodType>> = {
  survey: nodeFactsSchema,
  "read-files": z.array(sentFileSchema),
  prepare: nodeJournalSchema,
  "describe-member": memberSchema,
  "describe-machine": machineSchema,
  "make-join": z.object({ words: names.min(1) }),
  "see-cluster": livingClusterSchema,
  "remove-lost": z.object({ removed: names, deleted: z.string().nullable() }),
  "join-node": z.null(),
  "prove-living": membersProofSchema,
  receive: nodeJournalSchema,
  begin: nodeJournalSchema,
  stop: nodeJournalSchema,
  "stop-service": nodeJournalSchema,
  restore: nodeJournalSchema,
  "prove-etcd": z.object({ members: z.number(), revision, keys: z.number(), hash: z.string() }),
  "start-etcd": nodeJournalSchema,
  start: nodeJournalSchema,
  finish: nodeJournalSchema,
  "find-data": z.string().nullable(),
  place: nodeJournalSchema,
  join: nodeJournalSchema,
  "add-learner": z.object({ initialCluster: z.string() }),
  promote: z.object({ promoted: z.string() }),
  "prove-members": membersProofSchema,
  prove: controlPlaneProofSchema,
  "undo-data": nodeJournalSchema.nullable(),
  "undo-finish": nodeJournalSchema.nullable(),
};

/**
 * The result of a step as its type has it. Throws `ssh-failed` for what is none: also for a journal of another
 * operation, and for files that were not asked for.
 */
export function readAnswer(request: StepRequest, result: unknown, node: string): unknown {
  const parsed = SCHEMAS[request.step].safeParse(result);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    const place = issue?.path.map(String).join(".") || "the whole of it";
    throw noAnswer(node, request, `${place}: ${issue?.message}`);
  }
  const answer: unknown = parsed.data;
  if (request.step === "read-files") {
    const foreign = (answer as { readonly path: string }[]).find(({ path }) => !request.paths.includes(path));
    if (foreign !== undefined) throw noAnswer(node, request, `it has "${foreign.path}", which was not asked for`);
  }
  const id = "plan" in request ? request.plan.id : "id" in request ? request.id : undefined;
  const isJournal = typeof answer === "object" && answer !== null && "digest" in answer && "id" in answer;
  if (isJournal && id !== undefined && answer.id !== id) throw noAnswer(node, request, "it is of another operation");
  return answer;
}

function noAnswer(node: string, { step }: StepRequest, what: string): MendError {
  return new MendError("ssh-failed", `what node "${node}" answered is no answer to "${step}": ${what}`, {
    where: node,
    hint: "check that its kubemend is of this version, and that nothing else answers in its place",
  });
}
