import { fileURLToPath } from 'node:url';

/** The compiled workflows in one file; `build-workflow-bundle` writes it. */
export const workflowBundlePath = fileURLToPath(new URL('../workflow-bundle.js', import.meta.url));

/** The tolerant converter, which Temporal loads by its path: in the bundle, in workers and in clients. */
export const payloadConverterPath = fileURLToPath(new URL('../contract/payload-converter.js', import.meta.url));
