// Installs what is missing and says what it does; a second call finds everything there and takes no time.
import { build, isBuilt } from './build.mjs';
import { installLog } from './layout.mjs';
import { installNpm, npmIsInstalled } from './npm.mjs';
import { pythonIsInstalled, pythonSteps } from './python.mjs';
import { SetupError, Steps } from './steps.mjs';

const oldestNode = [20, 19];

function checkNode() {
  const [major, minor] = process.versions.node.split('.').map(Number);
  if (major < oldestNode[0] || (major === oldestNode[0] && minor < oldestNode[1])) {
    throw new SetupError(`Node ${oldestNode.join('.')} or newer is needed; this is ${process.versions.node}.`);
  }
}

/**
 * @param {string[]} extras the optional parts of gpu-runner that are needed
 * @returns {Promise<number>} seconds that it took
 */
export async function install(extras) {
  const startMs = Date.now();
  checkNode();
  const titles = [];
  const steps = new Steps(0, installLog);
  const npmMissing = !npmIsInstalled();
  if (npmMissing) titles.push(['install npm packages', () => installNpm(steps)]);
  if (!pythonIsInstalled(extras)) titles.push(...pythonSteps(steps, extras));
  if (npmMissing || !isBuilt()) titles.push(['compile', () => build(steps)]);
  steps.total = titles.length;
  for (const [title, work] of titles) await steps.run(title, work);
  return (Date.now() - startMs) / 1000;
}
