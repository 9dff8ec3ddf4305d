/** The names under which a model writes a directive. */
const names = {
  learningRate: ['learning[ _-]?rate', 'lr'],
  schedule: ['(?:lr|learning[ _-]?rate)[ _-]?schedule(?:r)?', 'schedule(?:r)?'],
  epochs: ['(?:num(?:ber)?[ _-]?(?:of[ _-])?)?epochs?'],
  batchSize: ['batch[ _-]?size', 'batch'],
  augmentation: ['(?:data[ _-]?)?augmentation'],
} as const;

export interface Settings {
  /** as the model wrote them, numbers as numbers; null if it wrote none */
  proposed: Record<string, string | number> | null;
  /** what is left of the completion */
  rest: string;
}

/**
 * Takes training settings out of a completion: a JSON object, whatever its quotes, commas and fences, or lines such as
 * "learning rate: 0.001". Only the first object and lines that begin with a setting are looked at.
 */
export function takeSettings(completion: string): Settings {
  const block = /\{[^{}]*\}/u.exec(completion)?.[0] ?? '';
  const lines = completion.replace(block, '').split('\n');
  const own = lines.filter((line) => startsWithSetting(line));
  const source = [block.replace(/^\{|\}$/gu, ''), ...own].join('\n');

  const proposed: Record<string, string | number> = {};
  for (const [field, spellings] of Object.entries(names)) {
    const pattern = `(?<![\\p{L}_-])(?:${spellings.join('|')})["']?\\s*[:=]\\s*["']?([^"',\\n]+)`;
    const value = new RegExp(pattern, 'iu').exec(source)?.[1]?.trim();
    if (value !== undefined) proposed[field] = value !== '' && Number.isFinite(Number(value)) ? Number(value) : value;
  }
  const found = Object.keys(proposed).length > 0;
  return { proposed: found ? proposed : null, rest: lines.filter((line) => !startsWithSetting(line)).join('\n') };
}

function startsWithSetting(line: string): boolean {
  const spellings = Object.values(names).flat().join('|');
  return new RegExp(`^[^\\p{L}]*(?:${spellings})["']?\\s*[:=]`, 'iu').test(line);
}
