import { z } from 'zod';
import {
  type PolicyVersion,
  type Purpose,
  exampleSchema,
  messageSchema,
  modelRefSchema,
  sha256Schema,
  type Prompt,
} from '../contract/index.js';
import type { Clamp } from '../domains/domain.js';
import { json, maybeRow, row, rows, run, type Db } from './db.js';

const promptSchema = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('text'), text: z.string() }),
  z.strictObject({ kind: z.literal('chat'), messages: z.array(messageSchema) }),
]) satisfies z.ZodType<Prompt>;

const clampSchema = z.strictObject({
  field: z.string(),
  proposed: z.unknown(),
  used: z.union([z.number(), z.string()]),
}) satisfies z.ZodType<Clamp>;

/** What a model wrote for a source, whether or not it could be used. */
export const proposalSchema = z.strictObject({
  proposalKey: sha256Schema,
  /** null where the completions are no edit */
  editDigest: sha256Schema.nullable(),
  sourceId: z.string(),
  template: z.string(),
  seed: z.coerce.number(),
  writer: modelRefSchema,
  /** one per step, each with the completion of the same position */
  prompts: z.array(promptSchema),
  completions: z.array(z.string()),
  invalidReason: z.string().nullable(),
  directivesProposed: z.unknown(),
  directivesUsed: z.record(z.string(), z.unknown()).nullable(),
  clamps: z.array(clampSchema),
  examples: z.array(exampleSchema).nullable(),
  /** tokens generated, where the server counts them */
  tokens: z.int().nullable(),
});
export type Proposal = z.infer<typeof proposalSchema>;

const trialProposalSchema = proposalSchema.extend({
  trialId: z.string(),
  /** the trial's position in its purpose */
  index: z.int(),
});
export type TrialProposal = z.infer<typeof trialProposalSchema>;

const columns = `p.proposal_key as "proposalKey", p.edit_digest as "editDigest", p.source_id as "sourceId", p.template,
  p.seed::text as seed, p.writer, p.prompts, p.completions, p.invalid_reason as "invalidReason",
  p.directives_proposed as "directivesProposed", p.directives_used as "directivesUsed", p.clamps, p.examples, p.tokens`;

/** Trials of one purpose and one source. */
export interface SiblingQuery {
  roundId: string;
  sourceId: string;
  purpose: Purpose;
  /** those planned before this position; null: all */
  before: number | null;
  /** those that this policy wrote; null: all */
  writer: PolicyVersion | null;
}

export class Proposals {
  constructor(private readonly db: Db) {}

  async get(proposalKey: string): Promise<Proposal | null> {
    return maybeRow(this.db, proposalSchema, `select ${columns} from proposals p where p.proposal_key = $1`, [
      proposalKey,
    ]);
  }

  /** The first write wins; returns what is stored. */
  async insert(proposal: Proposal): Promise<Proposal> {
    await run(
      this.db,
      `insert into proposals (proposal_key, edit_digest, source_id, template, seed, writer, prompts, completions,
         invalid_reason, directives_proposed, directives_used, clamps, examples, tokens)
       values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14) on conflict do nothing`,
      [
        proposal.proposalKey,
        proposal.editDigest,
        proposal.sourceId,
        proposal.template,
        proposal.seed,
        json(proposal.writer),
        json(proposal.prompts),
        json(proposal.completions),
        proposal.invalidReason,
        json(proposal.directivesProposed),
        json(proposal.directivesUsed),
        json(proposal.clamps),
        json(proposal.examples),
        proposal.tokens,
      ],
    );
    return row(
      this.db,
      proposalSchema,
      `proposal ${proposal.proposalKey}`,
      `select ${columns} from proposals p where p.proposal_key = $1`,
      [proposal.proposalKey],
    );
  }

  /** What the trials of a purpose for one source have proposed, in the order of their plan. */
  async siblings({ roundId, sourceId, purpose, before, writer }: SiblingQuery): Promise<TrialProposal[]> {
    return rows(
      this.db,
      trialProposalSchema,
      `select ${columns}, t.trial_id as "trialId", t.position as index
       from trials t join proposals p using (proposal_key)
       where t.round_id = $1 and t.source_id = $2 and t.purpose = $4 and ($3::int is null or t.position < $3)
         and ($5::text is null or t.spec #>> '{edit,writer}' = $5)
       order by t.position`,
      [roundId, sourceId, before, purpose, writer],
    );
  }

  /** The edits of a source whose trials of a purpose were scored, in the order of their plan: none that a screen stopped. */
  async scored({ roundId, sourceId, purpose }: Omit<SiblingQuery, 'before' | 'writer'>): Promise<TrialProposal[]> {
    return rows(
      this.db,
      trialProposalSchema,
      `select ${columns}, t.trial_id as "trialId", t.position as index
       from trials t join proposals p using (proposal_key)
       where t.round_id = $1 and t.source_id = $2 and t.purpose = $3 and t.outcome = 'scored'
       order by t.position`,
      [roundId, sourceId, purpose],
    );
  }

  /** What these trials trained on, in no order; nothing for a trial without a proposal. */
  async ofTrials(trialIds: string[]): Promise<TrialProposal[]> {
    return rows(
      this.db,
      trialProposalSchema,
      `select ${columns}, t.trial_id as "trialId", t.position as index
       from trials t join proposals p using (proposal_key) where t.trial_id = any ($1::text[])`,
      [trialIds],
    );
  }
}
