import { spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { environmentOf, repoRoot, type Stack } from '../../stack/index.js';
import { demoTenant } from './campaign.js';

/**
 * Starts the approval bot as its own process, which knows only Temporal's address and the artifact store. It ends with
 * this process, however that ends.
 *
 * @returns a function that ends it
 */
export function startApprovalBot(stack: Stack): () => void {
  const log = openSync(join(stack.logs, 'approval-bot.log'), 'a');
  const program = join(repoRoot, 'examples', 'approval-bot', 'bot.mjs');
  const args = ['--tenant', demoTenant, '--store', stack.store, '--until-stdin-closes'];
  const bot = spawn(process.execPath, [program, ...args], {
    env: environmentOf(stack),
    stdio: ['pipe', log, log],
  });
  closeSync(log);
  bot.on('error', () => undefined); // without it the gate waits for a person, and the log says why
  return () => bot.stdin?.end();
}
