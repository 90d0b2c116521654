import type { EmbeddingModel, Filter, Hits, IndexDefinition, Vector, VectorIndex } from '@perigee/sdk'
import { Command, InvalidArgumentError, Option } from 'commander'
import { connect } from '../connect.ts'
import type { Act, Context } from '../context.ts'
import { parseCount } from '../count.ts'
import { Failure } from '../failure.ts'
import { parseFilter } from '../filter.ts'
import { parseModel } from '../model.ts'
import { shorten, visible } from '../output.ts'
import { receiptJson, showReceipt } from '../receipt.ts'
import { type ReadOptions, withReadOptions } from '../session-options.ts'
import { renderTable } from '../table.ts'
import { parseVector, readVectorFile } from '../vector.ts'

interface SearchOptions extends ReadOptions {
  readonly vector?: string
  readonly vectorFile?: string
  readonly like?: string
  readonly k: number
  readonly filter?: string
  readonly maxDistance?: number
  readonly ef?: number
  readonly model?: EmbeddingModel
}

/** Narrower than this, a text tells nothing. */
const TEXT_WIDTH_LEAST = 20

/** `perigee search INDEX`: the chunks nearest to a vector, or to another chunk. */
export function searchCommand(act: Act): Command {
  const command = new Command('search')
    .description('Finds the chunks nearest to a vector, in the nearest region.')
    .argument('<index>')
    .addOption(new Option('--vector <json>', 'the vector, as a JSON array').conflicts(['vectorFile', 'like']))
    .addOption(
      new Option('--vector-file <file>', 'the vector, packed little-endian float32').conflicts(['like']),
    )
    .option('--like <chunk>', 'the vector of this chunk, which is left out of the answer')
    .addOption(new Option('-k <count>', 'how many').argParser(parseCount).default(10))
    .addOption(
      new Option('--model <id@revision>', 'of an alias, its index of this model').argParser(parseModel),
    )
    .option('--filter <filter>', 'only chunks like \'lang=en|de,year>=2024,text~"vector search"\'')
    .addOption(new Option('--max-distance <distance>', 'only chunks at most this far').argParser(parseNumber))
    .addOption(
      new Option('--ef <breadth>', 'search broader than the index does (HNSW)').argParser(parseCount),
    )
  return withReadOptions(command).action(act(search))
}

async function search(context: Context, name: string, options: SearchOptions): Promise<void> {
  const { output, signal } = context
  await using perigee = await connect(context)
  const session = perigee.session(options.session)
  const { namespace } = options
  const named = session.index(name, { namespace, model: options.model })
  const { definition } = await named.describe({ signal })
  const filter = options.filter === undefined ? undefined : parseFilter(options.filter, definition.attributes)
  const index = session.index(name, { namespace, model: definition.model })
  const vector = await vectorOf(index, definition, options, signal)
  const hits = await searchBut(options.like, index, vector, {
    k: options.k,
    filter,
    maxDistance: options.maxDistance,
    efRuntime: options.ef,
    maxStalenessMs: options.maxStaleness,
    signal,
  })
  if (output.json) {
    output.printJson({ hits: hits.map(hitJson), receipt: receiptJson(hits.receipt), session: session.token })
    return
  }
  if (hits.length) output.print(renderHits(hits, context))
  else output.note('nothing found')
  showReceipt(output, hits.receipt)
}

/** Searches for one more where a chunk is left out, which is nearest to itself. */
async function searchBut(
  id: string | undefined,
  index: VectorIndex,
  vector: Vector,
  options: {
    readonly k: number
    readonly filter: Filter | undefined
    readonly maxDistance: number | undefined
    readonly efRuntime: number | undefined
    readonly maxStalenessMs: number | undefined
    readonly signal: AbortSignal
  },
): Promise<Hits> {
  if (id === undefined) return index.search(vector, options)
  const found = await index.search(vector, { ...options, k: Math.min(options.k + 1, 1000) })
  const others = found.filter((hit) => hit.id !== id).slice(0, options.k)
  return Object.assign(others, { receipt: found.receipt })
}

async function vectorOf(
  index: VectorIndex,
  definition: IndexDefinition,
  options: SearchOptions,
  signal: AbortSignal,
): Promise<Vector> {
  if (options.vector !== undefined) return parseVector(options.vector)
  if (options.vectorFile !== undefined) return readVectorFile(options.vectorFile, definition.dimensions)
  if (options.like === undefined) {
    throw Failure.usage(
      'search needs a vector',
      `give --vector '[…]' or --vector-file FILE of ${definition.dimensions} numbers by ${definition.model.id}, or --like CHUNK`,
    )
  }
  const chunk = await index.get(options.like, { view: 'full', signal })
  if (chunk?.vector) return chunk.vector
  throw Failure.notFound(
    `there is no chunk ${options.like} in ${definition.name}`,
    '--like takes the id of a chunk',
  )
}

function renderHits(hits: Hits, { output }: Context): string {
  const idWidth = Math.max(...hits.map((hit) => visible(hit.id).length))
  const textWidth = Math.max(TEXT_WIDTH_LEAST, output.columns - idWidth - '0.0000'.length - 6)
  return renderTable(
    [{ head: 'DISTANCE', right: true }, { head: 'ID' }, { head: 'TEXT' }],
    hits.map((hit) => [hit.distance.toFixed(4), visible(hit.id), shorten(hit.text, textWidth)]),
    output.colors,
  )
}

function hitJson(hit: Hits[number]) {
  return {
    id: hit.id,
    distance: hit.distance,
    text: hit.text,
    metadata: hit.metadata,
    regions: hit.regions,
    version: hit.version,
    writtenAt: hit.writtenAt?.toISOString() ?? null,
    expiresAt: hit.expiresAt?.toISOString() ?? null,
  }
}

function parseNumber(text: string): number {
  const number = Number(text)
  if (text.trim() !== '' && Number.isFinite(number)) return number
  throw new InvalidArgumentError('It must be a number.')
}
