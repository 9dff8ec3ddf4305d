import js from '@eslint/js';
import boundaries from 'eslint-plugin-boundaries';
import tseslint from 'typescript-eslint';

// The house's order: a folder imports only from those before it. Workflow code sees types of activities only.
const rooms = [
  'contract',
  'seal',
  'domains',
  'governance',
  'ledger',
  'artifacts',
  'inference',
  'activities',
  'workflows',
  'workers',
  'stack',
  'cli',
  'report',
];
const mayImport = {
  contract: [],
  seal: ['contract'],
  domains: ['contract', 'seal'],
  governance: ['contract', 'seal'],
  ledger: ['contract', 'seal', 'domains', 'governance'],
  artifacts: ['contract'],
  inference: ['contract', 'seal'],
  activities: ['contract', 'seal', 'domains', 'governance', 'ledger', 'artifacts', 'inference'],
  workflows: ['contract', 'seal', 'domains', 'governance'],
  workers: ['contract', 'seal', 'domains', 'governance', 'ledger', 'artifacts', 'inference', 'activities', 'workflows'],
  stack: ['contract', 'seal', 'domains', 'governance', 'ledger', 'artifacts', 'inference', 'activities', 'workers'],
  report: ['contract', 'seal', 'domains', 'governance', 'ledger', 'artifacts', 'inference', 'activities', 'stack'],
  cli: [
    'contract',
    'seal',
    'domains',
    'governance',
    'ledger',
    'artifacts',
    'inference',
    'activities',
    'workers',
    'stack',
    'report',
  ],
};

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
    plugins: { boundaries },
    settings: {
      'boundaries/elements': rooms.map((room) => ({ type: room, pattern: `src/${room}` })),
      'import/resolver': { typescript: { project: './tsconfig.json' } },
    },
    rules: {
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
