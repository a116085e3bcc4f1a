import tseslint from 'typescript-eslint';

/** A folder of src/ is a stage; stages meet only in the conductors (conductor.ts, worker.ts, child.ts) and in the commands. */
const stages = ['queue', 'batch', 'pool', 'tasks', 'models', 'sink', 'album', 'serve', 'observe', 'cli'];

/** Native libraries, and those that bring some along, have one importer each. */
const natives = [
  { name: 'onnxruntime-node', only: 'src/pool/session.ts' },
  { name: 'sharp', only: 'src/tasks/image/sharp.ts' },
  { name: '@huggingface/tokenizers', only: 'src/tasks/tokenizer/hugging-face.ts' },
];

const nativePaths = (file) =>
  natives
    .filter((native) => native.only !== file)
    .map(({ name, only }) => ({ name, message: `Only ${only} imports ${name}.`, allowTypeImports: true }));

const stageRules = stages.map((stage) => ({
  files: [`src/${stage}/**/*.ts`],
  rules: {
    '@typescript-eslint/no-restricted-imports': [
      'error',
      {
        paths: nativePaths(),
        patterns: [
          ...stages
            .filter((other) => other !== stage && stage !== 'cli')
            .map((other) => ({
              group: [`../${other}/**`, `../../${other}/**`],
              message: `The stage ${stage} must not import the stage ${other}: only the conductors know both.`,
            })),
          {
            group: [
              ...['**/conductor.js', '**/worker.js', '**/session-worker.js', '**/child.js'],
              ...(stage === 'cli' ? [] : ['**/runner.js', '**/index.js']),
            ],
            message: 'A stage must not import a conductor.',
          },
        ],
      },
    ],
  },
}));

const nativeRules = natives.map(({ only }) => ({
  files: [only],
  rules: { '@typescript-eslint/no-restricted-imports': ['error', { paths: nativePaths(only) }] },
}));

export default tseslint.config(
  {
    ignores: [
      'dist',
      'bench/.cache',
      'bench/results',
      'node_modules',
      'coverage',
      'docs/api',
      'tools/**/.venv',
      'examples/**/node_modules',
      'examples/gallery/dist',
    ],
  },
  ...tseslint.configs.strictTypeChecked,
  {
    languageOptions: {
      parserOptions: { projectService: { allowDefaultProject: ['*.js'] }, tsconfigRootDir: import.meta.dirname },
    },
    rules: {
      'max-lines': ['error', { max: 250, skipBlankLines: true, skipComments: true }],
      'max-lines-per-function': ['error', { max: 60, skipBlankLines: true, skipComments: true }],
      complexity: ['error', 14],
      'no-console': 'error',
      eqeqeq: 'error',
      '@typescript-eslint/no-restricted-imports': ['error', { paths: nativePaths() }],
      '@typescript-eslint/consistent-type-imports': 'error',
      '@typescript-eslint/switch-exhaustiveness-check': 'error',
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true, allowBoolean: true }],
      '@typescript-eslint/no-confusing-void-expression': [
        'error',
        { ignoreArrowShorthand: true, ignoreVoidReturningFunctions: true },
      ],
      '@typescript-eslint/no-unnecessary-condition': [
        'error',
        { allowConstantLoopConditions: 'only-allowed-literals' },
      ],
    },
  },
  ...stageRules,
  ...nativeRules,
  {
    files: ['test/**', 'bench/**', 'examples/**'],
    rules: {
      'max-lines': 'off',
      'max-lines-per-function': 'off',
      'no-console': 'off',
      '@typescript-eslint/no-non-null-assertion': 'off',
      '@typescript-eslint/no-restricted-imports': 'off',
    },
  },
  { files: ['**/*.js', '**/*.mjs'], ...tseslint.configs.disableTypeChecked },
  {
    files: ['scripts/**', '*.js', 'examples/**/*.js', 'bench/**/*.js', 'test/**/*.js'],
    rules: { 'no-console': 'off' },
  },
);
