import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { layoutOf } from '../../stack/index.js';

const keptSchema = z.strictObject({ campaign: z.string().min(1), rounds: z.int().positive() });
export type KeptDemo = z.infer<typeof keptSchema>;

const file = (): string => join(layoutOf().home, 'demo.json');

/** Remembers the campaign, so that the next `demo` resumes it if this one is interrupted. */
export const keepDemo = (demo: KeptDemo): void => writeFileSync(file(), `${JSON.stringify(demo)}\n`);

/** The last demo that was started under this home. */
export function keptDemo(): KeptDemo | null {
  try {
    return keptSchema.parse(JSON.parse(readFileSync(file(), 'utf8')));
  } catch {
    return null; // none yet
  }
}
