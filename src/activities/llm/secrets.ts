import { lintSource } from '@secretlint/core';
import { creator as recommended } from '@secretlint/secretlint-rule-preset-recommend';

/** Keys, tokens and passwords in a text, each in words with the secret itself masked. */
export async function secretFindings(text: string): Promise<string[]> {
  const { messages } = await lintSource({
    source: { content: text, filePath: 'edit.txt', ext: '.txt', contentType: 'text' },
    options: {
      maskSecrets: true,
      config: { rules: [{ id: '@secretlint/secretlint-rule-preset-recommend', rule: recommended }] },
    },
  });
  return messages.map(({ messageId, loc }) => `${messageId} in line ${loc.start.line}`);
}
