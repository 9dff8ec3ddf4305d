import Table from 'cli-table3';
import { z } from 'zod';
import type { BenchResult } from './bench.js';

/** What every bench of speed gives: sides that were measured in turn, and ratios made of their medians. */
export const measuredSchema = z.looseObject({
  bench: z.string(),
  device: z.looseObject({ warning: z.string().optional() }),
  sides: z.record(z.string(), z.looseObject({ value: z.number(), unit: z.string(), note: z.string().optional() })),
  ratios: z.record(z.string(), z.number()),
  /** one entry per repeat: the value of each side */
  runs: z.array(z.record(z.string(), z.number())),
});
export type Measured = z.infer<typeof measuredSchema>;

/** What a bench promises: the least of a ratio, and what a side must stay below. */
export interface Bars {
  ratios?: Readonly<Record<string, number>>;
  sidesBelow?: Readonly<Record<string, number>>;
}

export interface Verdict {
  name: string;
  /** undefined: it was not measured, which meets no bar */
  value: number | undefined;
  /** undefined: nothing is promised of it */
  bar: string | undefined;
  met: boolean;
}

/** Every ratio, and every side that has a bar, with what was promised of it. */
export function judge({ sides, ratios }: Measured, bars: Bars): Verdict[] {
  const atLeast = bars.ratios ?? {};
  return [
    ...[...new Set([...Object.keys(ratios), ...Object.keys(atLeast)])].map((name): Verdict => {
      const [value, bar] = [ratios[name], atLeast[name]];
      if (bar === undefined) return { name, value, bar, met: true };
      return { name, value, bar: `≥ ${bar}`, met: value !== undefined && value >= bar };
    }),
    ...Object.entries(bars.sidesBelow ?? {}).map(([name, bar]): Verdict => {
      const value = sides[name]?.value;
      return { name, value, bar: `< ${bar}`, met: value !== undefined && value < bar };
    }),
  ];
}

/** The bench's result: passed when every bar is met. */
export function benchResult(measured: Measured, bars: Bars): BenchResult {
  const verdicts = judge(measured, bars);
  return {
    json: measured,
    text: [
      deviceText(measured.device),
      sidesTable(measured),
      ...(verdicts.length > 0 ? [verdictTable(verdicts)] : []),
    ].join('\n\n'),
    passed: verdicts.every(({ met }) => met),
  };
}

const number = (value: number | undefined): string =>
  value === undefined ? '–' : value.toLocaleString('en', { maximumSignificantDigits: 3, useGrouping: false });

const table = (head: string[]) =>
  new Table({
    head,
    colAligns: ['left', ...head.slice(1).map(() => 'right' as const)],
    style: { head: [], border: [] },
  });

function sidesTable({ sides, runs }: Measured): string {
  const rows = table(['side', 'median', 'least', 'most', 'unit']);
  for (const [name, { value, unit }] of Object.entries(sides)) {
    const single = runs.flatMap((run) => run[name] ?? []);
    const [least, most] = single.length > 0 ? [Math.min(...single), Math.max(...single)] : [undefined, undefined];
    rows.push([name, number(value), number(least), number(most), unit]);
  }
  const notes = Object.entries(sides).flatMap(([name, { note }]) => (note === undefined ? [] : [`${name}: ${note}`]));
  return [rows.toString(), ...notes].join('\n');
}

function verdictTable(verdicts: Verdict[]): string {
  const rows = table(['ratio', 'value', 'bar', '']);
  for (const { name, value, bar, met } of verdicts) {
    rows.push([name, number(value), bar ?? '', bar === undefined ? '' : met ? 'met' : 'missed']);
  }
  return rows.toString();
}

function deviceText({ warning, ...device }: Measured['device']): string {
  const facts = Object.entries(device).map(
    ([key, value]) => `${key}: ${typeof value === 'string' ? value : JSON.stringify(value)}`,
  );
  return [...facts, ...(warning === undefined ? [] : [`warning: ${warning}`])].join('\n');
}
