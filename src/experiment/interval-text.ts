import { points } from '../lib/format.js';
import type { Interval } from '../seal/statistics.js';

/** A gain in points with its interval, or why it has none. */
export function intervalText({ estimate, low, high, clusters, fewDocuments }: Interval): string {
  if (estimate === null) return 'not measured';
  return `${points(estimate)} points (${rangeText(low, high, clusters, fewDocuments)})`;
}

function rangeText(low: number | null, high: number | null, documents: number, few: boolean): string {
  if (documents === 1) return '1 document, too few for an interval';
  if (low === null || high === null) return `${documents} documents, all alike: no interval`;
  return `95 %: ${points(low)} to ${points(high)}; ${documents} documents${few ? ', which is few' : ''}`;
}
