import { createHash } from 'node:crypto'
import type { EmbeddingModel, IndexDefinition, IndexInput, Perigee } from '@perigee/sdk'
import { EXIT } from '../exit-code.ts'
import { Failure } from '../failure.ts'

/** What the command line names. */
export interface ReindexNames {
  readonly namespace: string
  /** An alias, or an index. */
  readonly name: string
  /** The alias to make of an index. */
  readonly alias?: string | undefined
  /** The index to copy from, where the alias leaves a choice. */
  readonly from?: string | undefined
  /** The new index's name. */
  readonly to?: string | undefined
  readonly model?: EmbeddingModel | undefined
}

/** The indexes that a reindex is about, as the primary region knows them. */
export interface ReindexPlan {
  readonly namespace: string
  readonly alias: string
  /** What the alias points at; empty while there is no such alias. */
  readonly aliased: readonly string[]
  readonly source: IndexDefinition
  readonly targetName: string
  /** The second index; absent until it is made. */
  readonly target?: IndexDefinition | undefined
}

const NAME_LENGTH_MAX = 63
const HASH_DIGITS = 6

/** Finds out what there is. @throws Failure when the names leave a choice, or name nothing. */
export async function planOf(perigee: Perigee, names: ReindexNames): Promise<ReindexPlan> {
  const { namespace, name, model } = names
  const options = { namespace, consistency: 'primary' } as const
  const indexes = new Map<string, IndexDefinition>()
  for await (const index of perigee.indexes(options)) indexes.set(index.name, index)
  const aliases = new Map<string, readonly string[]>()
  for await (const alias of perigee.aliases.list(options)) aliases.set(alias.name, alias.indexes)

  const aliased = aliases.get(name)
  const alias = aliased ? name : aliasFor(names, indexes, aliases)
  const pointedAt = aliased ?? aliases.get(alias) ?? []
  const targetName = names.to ?? targetOf(pointedAt, indexes, { base: alias, model })
  const sourceName =
    names.from ?? (aliased ? sourceOf(alias, pointedAt, { targetName, indexes, model }) : name)
  const source = indexes.get(sourceName)
  if (!source) throw notFound(namespace, sourceName)
  if (sourceName === targetName) throw sameModel(source)
  const target = indexes.get(targetName)
  if (target && model && !same(target.model, model)) throw otherModel(target, model)
  if (!target && model && same(source.model, model)) throw sameModel(source)
  return { namespace, alias, aliased: pointedAt, source, targetName, target }
}

/** The second index: like the first, but for its model and what the command line says. */
export function targetInput(source: IndexDefinition, wanted: IndexInput): IndexInput {
  const { attributes, defaultTtlMs, regionScoped, algorithm } = source
  return {
    ...{ attributes, defaultTtlMs, regionScoped },
    dimensions: wanted.dimensions,
    metric: wanted.metric ?? source.metric,
    vectorType: wanted.vectorType ?? source.vectorType,
    algorithm: wanted.algorithm ?? (algorithm.type === 'flat' ? 'flat' : algorithm),
  }
}

/** The alias to make for clients that name an index itself. */
function aliasFor(
  { namespace, name, alias }: ReindexNames,
  indexes: ReadonlyMap<string, IndexDefinition>,
  aliases: ReadonlyMap<string, readonly string[]>,
): string {
  if (!indexes.has(name)) throw notFound(namespace, name)
  const own = [...aliases].filter(([, members]) => members.includes(name)).map(([alias]) => alias)
  if (alias === undefined) {
    const hint = own[0]
      ? `name the alias that points at it: perigee reindex ${own[0]} …`
      : `give it one that clients use from then on: --alias ${name}-live (no index has the name of an alias)`
    throw Failure.usage(`${name} is an index; only an alias can stand for two models`, hint)
  }
  if (indexes.has(alias))
    throw Failure.usage(
      `${alias} is an index, so no alias can have its name`,
      'choose another name for --alias',
    )
  const members = aliases.get(alias)
  if (members && !members.includes(name)) {
    throw Failure.usage(
      `alias ${alias} points at ${members.join(', ')}, not at ${name}`,
      `choose another name for --alias, or reindex ${alias}`,
    )
  }
  return alias
}

/** The name of the second index: the alias's index of the model, or one made of alias and model, the same each time. */
function targetOf(
  aliased: readonly string[],
  indexes: ReadonlyMap<string, IndexDefinition>,
  { base, model }: { base: string; model: EmbeddingModel | undefined },
): string {
  if (!model) {
    const [, second, ...more] = aliased
    if (second !== undefined && more.length === 0) return second
    throw Failure.usage(
      `alias ${base} points at ${aliased.join(', ') || 'nothing'}: it isn't clear which index is the new one`,
      'say it by --model ID@REVISION or --to INDEX',
    )
  }
  const own = aliased.find((name) => same(indexes.get(name)?.model, model))
  if (own !== undefined) return own
  const text = `${model.id}@${model.revision}`
  const hash = createHash('sha256').update(text).digest('hex').slice(0, HASH_DIGITS)
  const words = (text.split('/').at(-1) ?? '').toLowerCase().replace(/[^a-z0-9]+/g, '-')
  const room = NAME_LENGTH_MAX - base.length - HASH_DIGITS - 2
  if (room < 0)
    throw Failure.usage(
      `a name made of ${base} and the model would be too long`,
      'name the new index by --to',
    )
  const middle = words.slice(0, room).replace(/^-|-$/g, '')
  return [base, middle, hash].filter(Boolean).join('-')
}

function sourceOf(
  alias: string,
  aliased: readonly string[],
  known: {
    targetName: string
    indexes: ReadonlyMap<string, IndexDefinition>
    model: EmbeddingModel | undefined
  },
): string {
  const others = aliased.filter((name) => name !== known.targetName)
  const [only, ...more] = others
  if (only !== undefined && more.length === 0) return only
  const own = known.indexes.get(aliased[0] ?? '')
  if (only === undefined && own && same(own.model, known.model)) throw sameModel(own)
  const why = only === undefined ? 'points at no other index' : `points at several: ${others.join(', ')}`
  throw Failure.usage(`alias ${alias} ${why}`, 'name the index to copy from: --from INDEX')
}

function same(a: EmbeddingModel | undefined, b: EmbeddingModel | undefined): boolean {
  return a !== undefined && b !== undefined && a.id === b.id && a.revision === b.revision
}

function notFound(namespace: string, name: string): Failure {
  return Failure.notFound(
    `there is no alias or index ${name} in namespace ${namespace}`,
    '`perigee alias list` and `perigee index list` show those there are; --namespace chooses another namespace',
  )
}

function sameModel({ name, model }: IndexDefinition): Failure {
  return refused(
    `index ${name} is of model ${model.id}@${model.revision} already`,
    'name the model to move to; for an index left over from a finished move, say --from INDEX',
  )
}

function otherModel({ name, model }: IndexDefinition, wanted: EmbeddingModel): Failure {
  return refused(
    `index ${name} is there, of model ${model.id}@${model.revision} and not ${wanted.id}@${wanted.revision}`,
    'name the new index by --to',
  )
}

/** What is there doesn't let the command do what it was asked. */
export function refused(message: string, hint: string): Failure {
  return new Failure({ message, hint, code: 'FAILED_PRECONDITION', exitCode: EXIT.REFUSED })
}
