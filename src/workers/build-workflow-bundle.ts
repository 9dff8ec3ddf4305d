import { writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { bundleWorkflowCode, DefaultLogger } from '@temporalio/worker';
import { payloadConverterPath, workflowBundlePath } from './compiled.js';

// Run by `npm run build`, after tsc: bundles the compiled workflows, so that a worker starts at once and a forbidden
// import fails the build and no round.
const { code } = await bundleWorkflowCode({
  workflowsPath: fileURLToPath(new URL('../workflows/index.js', import.meta.url)),
  payloadConverterPath,
  logger: new DefaultLogger('WARN'),
});
await writeFile(workflowBundlePath, code);
