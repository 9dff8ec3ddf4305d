import { parseKnowledgeBaseName, type KnowledgeBaseName } from '../../contract/index.js';
import type { KnowledgeBaseVersion, Ledger } from '../../ledger/index.js';
import { CliError, exitCodes } from '../errors.js';

/** @throws CliError where it is no name */
export function knowledgeBaseName(written: string): KnowledgeBaseName {
  const name = parseKnowledgeBaseName(written);
  if (name !== null) return name;
  throw new CliError(
    `"${written}" is no name of a knowledge base: NAME or TENANT/NAME, in lower-case letters, digits and dashes`,
    exitCodes.usage,
  );
}

/** @throws CliError where there is no such knowledge base */
export async function requireKnowledgeBase(ledger: Ledger, name: KnowledgeBaseName): Promise<KnowledgeBaseVersion> {
  const stored = await ledger.knowledgeBases.latest(name);
  if (stored !== null) return stored;
  const others = (await ledger.knowledgeBases.list()).map((one) => `${one.tenant}/${one.name}`);
  throw new CliError(
    `there is no knowledge base ${name.tenant}/${name.name}: \`npx selkie init ${name.name} PATH\` makes it` +
      (others.length === 0 ? '' : `; there is ${others.join(', ')}`),
    exitCodes.notFound,
  );
}
