// Writes gpu-runner/contract/contract.json from src/contract; run it after a change there: npm run contract
import { writeFile } from 'node:fs/promises';
import { runnerContract } from '../dist/contract/json-schema.js';

const file = new URL('../gpu-runner/contract/contract.json', import.meta.url);
await writeFile(file, `${JSON.stringify(runnerContract(), null, 2)}\n`);
