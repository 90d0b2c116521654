import type { IndexDefinition, RegionalIndex } from '@perigee/sdk'
import { Command } from 'commander'
import { connect } from '../connect.ts'
import type { Act, Context } from '../context.ts'
import { formatMs } from '../duration.ts'
import { receiptJson, showReceipt } from '../receipt.ts'
import { regionalIndexColumns, regionalIndexJson, regionalIndexRow } from '../regional-index.ts'
import { type SessionOptions, withSessionOptions } from '../session-options.ts'
import { renderFacts, renderTable } from '../table.ts'

/** `perigee index list` and `perigee index show INDEX`. */
export function indexCommand(act: Act): Command {
  const list = new Command('list').description('Lists the indexes of a namespace.').action(act(listIndexes))
  const show = new Command('show')
    .description("Shows what an index is, and the state of each region's copy of it.")
    .argument('<index>')
    .action(act(showIndex))
  return new Command('index')
    .description('Shows vector indexes.')
    .addCommand(list.option('-n, --namespace <name>', 'the namespace', 'default'))
    .addCommand(withSessionOptions(show))
}

async function listIndexes(context: Context, options: { readonly namespace: string }): Promise<void> {
  const { output, signal } = context
  await using perigee = await connect(context)
  const indexes: IndexDefinition[] = []
  for await (const index of perigee.indexes({ namespace: options.namespace, signal })) indexes.push(index)
  if (output.json) {
    for (const index of indexes) output.printJsonLine(definitionJson(options.namespace, index))
    return
  }
  if (indexes.length === 0) {
    output.note(`no indexes in namespace ${options.namespace}`)
    return
  }
  const columns = [
    { head: 'INDEX' },
    { head: 'DIMENSIONS', right: true },
    { head: 'METRIC' },
    { head: 'ALGORITHM' },
    { head: 'VECTORS' },
    { head: 'MODEL' },
  ]
  const rows = indexes.map((i) => [
    i.name,
    String(i.dimensions),
    i.metric,
    i.algorithm.type,
    i.vectorType,
    `${i.model.id}@${i.model.revision}`,
  ])
  output.print(renderTable(columns, rows, output.colors))
}

async function showIndex(context: Context, name: string, options: SessionOptions): Promise<void> {
  const { output, signal } = context
  await using perigee = await connect(context)
  const session = perigee.session(options.session)
  const { namespace } = options
  const { definition, regions, receipt } = await session.index(name, { namespace }).describe({ signal })
  if (output.json) {
    output.printJson({
      ...definitionJson(namespace, definition),
      regions: regions.map(regionalIndexJson),
      receipt: receiptJson(receipt),
    })
    return
  }
  output.print(renderFacts(factsOf(namespace, definition), output.colors))
  output.print(`\n${renderRegions(regions, context)}`)
  showReceipt(output, receipt)
}

function factsOf(namespace: string, index: IndexDefinition): [string, string][] {
  const { algorithm } = index
  const parameters =
    algorithm.type === 'hnsw'
      ? `hnsw (m ${algorithm.m}, ef construction ${algorithm.efConstruction}, ef runtime ${algorithm.efRuntime})`
      : 'flat (exact)'
  const attributes = Object.entries(index.attributes).map(([name, kind]) => `${name} (${kind})`)
  return [
    ['index', `${namespace}/${index.name}`],
    ['dimensions', `${index.dimensions} × ${index.vectorType}`],
    ['metric', index.metric],
    ['algorithm', parameters],
    ['model', `${index.model.id}, revision ${index.model.revision}`],
    ['attributes', attributes.join(', ') || '-'],
    ['expiry', index.defaultTtlMs === undefined ? 'never' : `after ${formatMs(index.defaultTtlMs)}`],
    ['region scoped', index.regionScoped ? 'yes' : 'no'],
    ['uid', index.uid],
  ]
}

function renderRegions(regions: readonly RegionalIndex[], { output }: Context): string {
  const rows = regions.map((region) => regionalIndexRow(region, output.colors))
  return renderTable(regionalIndexColumns, rows, output.colors)
}

function definitionJson(namespace: string, { defaultTtlMs, ...index }: IndexDefinition) {
  return { namespace, ...index, defaultTtlMs: defaultTtlMs ?? null }
}
