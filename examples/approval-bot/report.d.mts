import type { Evidence } from './rule.mjs';

export interface Summary {
  heldOut: { before: number | null; after: number | null; questions: number };
}

/** What the bot reads of a round's `report.json`. */
export interface Report {
  retention: { canaries: { lost: number | null; rightBefore: number } };
}

export function readReport(store: string, artifact: { sha256: string }): Promise<Report>;
export function evidenceOf(summary: Summary, report: Report): Evidence;
