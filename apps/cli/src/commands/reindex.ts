import type { EmbeddingModel, IndexInput } from '@perigee/sdk'
import { Command, Option } from 'commander'
import type { Act, Context } from '../context.ts'
import { parseCount } from '../count.ts'
import { parseDuration } from '../duration.ts'
import { Failure } from '../failure.ts'
import { parseModel } from '../model.ts'
import { Reindex, type ReindexSummary } from '../reindex/reindex.ts'
import { renderFacts } from '../table.ts'

interface CommandOptions {
  readonly namespace: string
  readonly model?: EmbeddingModel
  readonly dimensions?: number
  readonly embed?: string
  readonly embedTimeout: number
  readonly metric?: IndexInput['metric']
  readonly vectorType?: IndexInput['vectorType']
  readonly algorithm?: 'flat' | 'hnsw'
  readonly name?: string
  readonly from?: string
  readonly alias?: string
  readonly resume?: boolean
  readonly follow?: boolean
  readonly finish?: boolean
  readonly back?: boolean
  readonly force?: boolean
}

/** `perigee reindex`: moves an alias from one embedding model to another while it is searched and written. */
export function reindexCommand(act: Act): Command {
  return new Command('reindex')
    .description('Moves an alias to another embedding model, while it is searched and written.')
    .argument('<alias>', 'the alias, or an index together with --alias')
    .option('-n, --namespace <name>', 'the namespace', 'default')
    .addOption(new Option('--model <id@revision>', 'the model to move to').argParser(parseModel))
    .addOption(new Option('--dimensions <count>', "of that model's vectors").argParser(parseCount))
    .option('--embed <command>', 'reads lines {"id","text"}, writes lines {"id","vector"}')
    .addOption(
      new Option('--embed-timeout <duration>', 'how long it may owe an answer and be silent')
        .argParser(parseDuration)
        .default(600_000, '10m'),
    )
    .addOption(
      new Option('--metric <metric>', 'default: as the index has it').choices([
        'cosine',
        'inner-product',
        'l2',
      ]),
    )
    .addOption(
      new Option('--vector-type <type>', 'default: as the index has it').choices(['float32', 'float64']),
    )
    .addOption(
      new Option('--algorithm <algorithm>', 'default: as the index has it').choices(['flat', 'hnsw']),
    )
    .option('--name <index>', "the new index's name; default: made of alias and model")
    .option('--from <index>', 'the index to copy from, where the alias leaves a choice')
    .option('--alias <name>', 'make this alias of the index named')
    .option('--resume', 'go on with the new index that is there')
    .addOption(
      new Option('--follow', 'then go on copying what is written in the old model').conflicts([
        'finish',
        'back',
      ]),
    )
    .addOption(new Option('--finish', 'copy the rest, and drop the old index').conflicts(['back', 'resume']))
    .addOption(
      new Option('--back', 'drop the new index, and leave the alias as it was').conflicts(['resume']),
    )
    .option('--force', 'with --back: also if clients have written to the new index alone')
    .addHelpText(
      'after',
      `
  perigee reindex docs --model org/new-model@1 --dimensions 768 --embed 'python -u embed.py'
  (clients change over, each by naming the new model)
  perigee reindex docs --finish --embed 'python -u embed.py'

docs/reindex.md tells the whole of it.`,
    )
    .action(act(reindex))
}

async function reindex(context: Context, name: string, options: CommandOptions): Promise<void> {
  const { namespace, model, dimensions, embed, alias, from, metric, vectorType, algorithm } = options
  const names = { namespace, name, alias, from, to: options.name, model }
  if (!options.finish && !options.back) {
    const missing = Object.entries({ model, dimensions, embed }).find(([, value]) => value === undefined)
    if (missing)
      throw Failure.usage(`reindex needs --${missing[0]}`, '`perigee reindex --help` shows an example')
  }
  const input = dimensions === undefined ? undefined : { dimensions, metric, vectorType, algorithm }
  const given = { ...names, input, embed, embedTimeoutMs: options.embedTimeout }
  await using reindex = await Reindex.open(context, given)
  if (options.back) return show(context, await reindex.back({ force: options.force === true }))
  if (options.finish) return show(context, await reindex.finish())
  show(context, await reindex.run({ resume: options.resume === true }))
  if (options.follow) await reindex.follow()
}

function show({ output }: Context, summary: ReindexSummary): void {
  if (output.json) {
    output.printJson({ ...summary, model: summary.model ?? null })
    return
  }
  const { namespace, alias, indexes, from, to, model, passes, copied, deleted, regions } = summary
  const facts: [string, string][] = [
    ['alias', `${namespace}/${alias} → ${indexes.join(', ') || '-'}`],
    ['from', from],
    ['to', model ? `${to}, model ${model.id}@${model.revision}` : to],
  ]
  if (passes > 0) facts.push(['copied', `${copied}, ${deleted} deleted, in ${passes} passes`])
  if (regions.length > 0)
    facts.push(['verified', regions.map(({ region, checked }) => `${region} (${checked})`).join(', ')])
  output.print(renderFacts(facts, output.colors))
}
