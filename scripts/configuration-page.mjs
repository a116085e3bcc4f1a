// The text of docs/configuration.md: settings from the commands' own table, options from the doc comments of the types.
import ts from 'typescript';

/** The option types of the library, in the order of the page. */
const OPTION_TYPES = [
  { title: 'createRunner()', files: ['options.ts', 'tunable-options.ts'], types: ['RunnerOptions', 'TunableOptions'] },
  {
    title: 'Texts in photos',
    files: ['ocr-options.ts'],
    types: ['OcrOptions'],
    note: 'Options of `createRunner()` for its task `ocr`.',
  },
  {
    title: 'redisQueue()',
    files: ['queue/redis-options.ts'],
    types: ['RedisQueueOptions'],
    note: 'It also takes the [options of every queue](#options-of-every-queue).',
  },
  {
    title: 'memoryQueue()',
    files: ['queue/memory.ts'],
    types: ['MemoryQueueOptions'],
    note: 'It also takes the [options of every queue](#options-of-every-queue).',
  },
  { title: 'Options of every queue', files: ['queue/queue-options.ts'], types: ['CommonQueueOptions'] },
  {
    title: 'deadLetters()',
    files: ['queue/dead-letter-filter.ts', 'queue/dead-letter-take.ts'],
    types: ['DeadLetterFilter', 'DeadLetterTakeOptions'],
    note:
      'It takes `url`, `connection`, `name`, `deadLetterName` and `jobs` of `redisQueue()`. Below are its filters, and the options of ' +
      '`redrive()` and `purge()`.',
  },
  { title: 'httpSink()', files: ['sink/http-options.ts'], types: ['HttpSinkOptions'] },
  { title: 'memorySink()', files: ['sink/memory.ts'], types: ['MemorySinkOptions'] },
  {
    title: 'hub',
    files: ['models/hub-options.ts'],
    types: ['HubOptions'],
    note: 'The option `hub` of `createRunner()`. `hubOptionsFromEnv(process.env)` reads it from the variables above.',
  },
  { title: 'embedImages() and embedTexts()', files: ['runner.ts'], types: ['EmbedOptions'] },
];

const HUB_VARIABLES = [
  ['`HF_HUB_CACHE`', 'folder of the model cache', '`$HF_HOME/hub`'],
  ['`HF_HOME`', 'folder of all that Hugging Face tools keep', '`~/.cache/huggingface`'],
  ['`HF_ENDPOINT`', 'the hub, or a mirror of it', '`https://huggingface.co`'],
  ['`HF_HUB_OFFLINE`', '`1`: never touch the network; `TRANSFORMERS_OFFLINE` means the same', '`0`'],
  ['`HF_TOKEN`', 'access token for gated and private models', ''],
  ['`CUDA_VISIBLE_DEVICES`', 'empty: CUDA is not tried', ''],
  ['`NODE_EXTRA_CA_CERTS`', 'file with further TLS authorities to trust; read by Node.js', ''],
];

/** The whole page as Markdown, not formatted yet. `readSource(file)` gives the text of a file of src/. */
export function configurationPage(variables, readSource) {
  return [
    '# Configuration',
    '<!-- Made by `npm run docs:generate` from the code. Edit the code, not this page. -->',
    'Two ways lead to the same settings: variables and flags for the command, options for the library.',
    '## Variables and flags of the commands',
    'Each command takes those that concern it: `clip-runner <command> --help` lists them.',
    'A flag overrides the variable, the variable overrides the default. An empty variable counts as unset. A `.env` file in ' +
      'the working directory is read; it does not override what the environment has. Values of secret variables are never shown.',
    table(['Variable', 'Flag', 'Meaning', 'Default'], Object.values(variables).map(variableRow)),
    'Switches take `1`, `true`, `yes`, `on` or `0`, `false`, `no`, `off`.',
    '## Variables that are not flags',
    table(['Variable', 'Meaning', 'Default'], HUB_VARIABLES),
    '## Options of the library',
    'An option that is not known, or whose value is not what it must be, is refused with `OPTIONS_INVALID` before anything ' +
      'is opened. Times are in milliseconds where the name ends in `Ms`, sizes in bytes where it ends in `Bytes`.',
    ...OPTION_TYPES.map((entry) => optionSection(entry, entry.files.map(readSource))),
  ].join('\n\n');
}

function variableRow({ env, flag, help, default: fallback, isSecret }) {
  const words = help.replaceAll('<', '\\<');
  const meaning = isSecret === true ? `${words} (secret)` : words;
  return [`\`${env}\``, `\`--${flag}\``, meaning, fallback === '' ? '' : `\`${fallback}\``];
}

function optionSection({ title, files, types, note }, sources) {
  const tree = ts.createSourceFile(files.join(), sources.join('\n'), ts.ScriptTarget.Latest, true);
  const rows = types.flatMap((name) => findInterface(tree, name).members.filter(ts.isPropertySignature).map(optionRow));
  const heading = title.endsWith(')') || title === 'hub' ? `\`${title}\`` : title;
  return [
    `### ${heading}`,
    ...(note === undefined ? [] : [note]),
    table(['Option', 'Type', 'Meaning', 'Default'], rows),
  ].join('\n\n');
}

function findInterface(tree, name) {
  const found = tree.statements.find((node) => ts.isInterfaceDeclaration(node) && node.name.text === name);
  if (found === undefined) throw new Error(`There is no interface ${name} in src/ (${tree.fileName}).`);
  return found;
}

function optionRow(member) {
  const name = member.name.getText();
  const type = member.type.getText().replace(/\s+/g, ' ').replace(' | undefined', '');
  const [comment] = member.jsDoc ?? [];
  const tag = comment?.tags?.find(({ tagName }) => tagName.text === 'default');
  const meaning = ts.getTextOfJSDocComment(comment?.comment) ?? '';
  const fallback = ts.getTextOfJSDocComment(tag?.comment) ?? '';
  return [`\`${name}\``, `\`${type}\``, inOneLine(meaning), asCode(inOneLine(fallback))];
}

/** `268435456 (256 MiB)` and `[the working directory]` keep their words outside of the code. */
function asCode(text) {
  if (text === '' || text.includes('`')) return text.replace(/^`(.*)`$/, '`$1`');
  if (/^\[the |^the /.test(text)) return text.replace(/^\[|\]$/g, '');
  const [, value = text, words = ''] = /^(.*?)( \(.*\))?$/.exec(text) ?? [];
  return `\`${value}\`${words ?? ''}`;
}

function inOneLine(text) {
  return text.replace(/\s+/g, ' ').trim();
}

function table(headings, rows) {
  const line = (cells) => `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
  return [line(headings), line(headings.map(() => '---')), ...rows.map(line)].join('\n');
}
