import js from '@eslint/js';
import { createTypeScriptImportResolver } from 'eslint-import-resolver-typescript';
import boundaries from 'eslint-plugin-boundaries';
import { importX } from 'eslint-plugin-import-x';
import tseslint from 'typescript-eslint';

// The house's order: a folder imports only from those that its line names. Workflow code sees types of activities only; it may
// use all of `lib`, which has no clock and no I/O.
const pure = ['lib', 'contract', 'seal', 'domains', 'governance'];
const effects = ['ledger', 'artifacts', 'inference'];
const mayImport = {
  lib: [],
  contract: ['lib'],
  seal: ['lib', 'contract'],
  domains: ['lib', 'contract', 'seal'],
  governance: ['lib', 'contract', 'seal'],
  // files to passages: reads the layouts that the domains read
  ingest: ['lib', 'contract', 'domains'],
  ledger: pure,
  artifacts: ['lib', 'contract'],
  inference: ['lib', 'contract', 'seal'],
  experiment: [...pure, 'ledger'],
  activities: [...pure, ...effects, 'experiment', 'ingest'],
  workflows: pure,
  workers: [...pure, ...effects, 'experiment', 'activities', 'workflows'],
  stack: [...pure, ...effects, 'activities', 'workers'],
  bench: [...pure, ...effects, 'experiment', 'activities', 'stack'],
  cli: [...pure, ...effects, 'experiment', 'ingest', 'activities', 'workers', 'stack', 'bench'],
};
const rooms = Object.keys(mayImport);

export default tseslint.config(
  { ignores: ['dist/', '.selkie/', '.venv/', 'node_modules/', 'gpu-runner/'] },
  js.configs.recommended,
  ...tseslint.configs.strictTypeChecked,
  {
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      '@typescript-eslint/consistent-type-imports': ['error', { disallowTypeAnnotations: false }],
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true, allowBoolean: true }],
      '@typescript-eslint/no-confusing-void-expression': ['error', { ignoreArrowShorthand: true }],
    },
  },
  {
    files: ['src/**/*.ts'],
    plugins: { boundaries, 'import-x': importX },
    settings: {
      'boundaries/elements': rooms.map((room) => ({ type: room, pattern: `src/${room}` })),
      'import/resolver': { typescript: { project: './tsconfig.json' } },
      ...importX.flatConfigs.typescript.settings,
      'import-x/resolver-next': [createTypeScriptImportResolver()],
    },
    rules: {
      'import-x/no-cycle': 'error',
      'boundaries/dependencies': [
        'error',
        {
          default: 'disallow',
          policies: rooms.map((room) => ({
            from: { element: { type: room } },
            allow: [room, ...mayImport[room]].map((type) => ({ to: { element: { type } } })),
          })),
          message: 'src/{{from.type}} may not import from src/{{to.type}} (the house order, eslint.config.js)',
        },
      ],
    },
  },
  {
    // Replay must meet the same code and the same answers: no clock, no I/O, no Node built-ins, no clients.
    files: ['src/workflows/**/*.ts'],
    ignores: ['src/workflows/**/*.test.ts'],
    rules: {
      'no-restricted-imports': [
        'error',
        {
          patterns: [
            {
              regex: '^(node:|fs|path|os|crypto|child_process|http|https|net|pg|openai|pino|execa)',
              message: 'Workflow code is deterministic: do this in an activity.',
            },
            {
              regex: '^@temporalio/(?!workflow$|common)',
              message: 'Workflow code may use @temporalio/workflow and @temporalio/common only.',
            },
          ],
        },
      ],
      'no-restricted-globals': ['error', 'process', 'fetch', 'setInterval', 'Date', 'performance'],
      'no-restricted-properties': ['error', { object: 'Math', property: 'random', message: 'Not replayable.' }],
      'no-restricted-syntax': [
        'error',
        {
          selector: "NewExpression[callee.name='Error']",
          message: 'Throw an ApplicationFailure: a plain Error wedges.',
        },
      ],
    },
  },
  {
    files: ['**/*.js', '**/*.mjs'],
    extends: [tseslint.configs.disableTypeChecked],
    languageOptions: { globals: { process: 'readonly', console: 'readonly', URL: 'readonly' } },
  },
);
