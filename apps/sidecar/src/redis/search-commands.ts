import { createRequire } from 'node:module'
import { BasicCommandParser } from '@redis/client/dist/lib/client/parser.js'
import type { AttributeDefinition, IndexDefinition } from './index-definition.ts'

/*
 * RediSearch's commands, built and decoded by @redis/search and sent over ioredis. Their parts aren't that package's
 * public surface, so its version is pinned and a contract spec runs each of them against the real module.
 */
const { CREATE, CONFIG_GET, CONFIG_SET, DROPINDEX, INFO, SEARCH, _LIST } = redisSearch().default

// A CommonJS module with a default export: importers don't agree on what its default import is.
function redisSearch(): typeof import('@redis/search') {
  return createRequire(import.meta.url)('@redis/search')
}

/** A command of the search module, and how its RESP2 answer reads. */
export interface SearchCommand<T> {
  readonly args: readonly (string | Buffer)[]
  decode(reply: unknown): T
}

/** One document that a search found. */
export interface FoundDocument {
  /** Its key. */
  readonly key: string
  readonly fields: Readonly<Record<string, Buffer>>
  has(field: string): boolean
  /** One of its fields. */
  bytes(field: string): Buffer | undefined
  text(field: string): string | undefined
}

/** What a search answered. */
export interface Found {
  /** Matches in the whole index, at least as many as documents. */
  readonly total: number
  readonly documents: readonly FoundDocument[]
  /** Says that nobody will look at the documents any more, nor at bytes of theirs: to be called once at most. Their memory may be used again. */
  release?(): void
}

export interface SearchOptions {
  /** Fields to return. */
  readonly fields: readonly string[]
  readonly params: Readonly<Record<string, string | Buffer>>
  readonly count: number
  /** Field to sort by, smallest first. */
  readonly sortBy?: string
  /** Only documents of these keys. */
  readonly keys?: readonly string[]
  readonly timeoutMs: number
}

/** The names of fields that every copy may have. No attribute can be named like the last: it isn't a name. */
export const FIELD = {
  embedding: 'embedding',
  chunkId: 'chunk_id',
  regionTags: 'region_tags',
  text: 'text',
  metadata: 'metadata',
  version: 'version',
  writtenAt: 'written_at',
  expiresAt: 'expires_at',
  shown: 'shown-chunk',
} as const

export interface IndexSchema {
  readonly name: string
  /** What the keys of its documents begin with. */
  readonly prefix: string
  readonly definition: IndexDefinition
  /** Separates the values of a tag field. */
  readonly tagSeparator: string
}

/** FT.CREATE: words are indexed as they are written, none left out; tags with regard to case. */
export function createCommand({ name, prefix, definition, tagSeparator }: IndexSchema): SearchCommand<void> {
  const tag = { type: 'TAG', SEPARATOR: tagSeparator, CASESENSITIVE: true } as const
  const text = { type: 'TEXT', NOSTEM: true } as const
  const attribute = ({ type }: AttributeDefinition) =>
    type === 'TAG' ? tag : type === 'TEXT' ? text : ({ type: 'NUMERIC' } as const)
  const parser = new BasicCommandParser()
  const schema = {
    [FIELD.embedding]: vectorField(definition),
    [FIELD.chunkId]: text,
    [FIELD.regionTags]: tag,
    [FIELD.text]: text,
    [FIELD.expiresAt]: { type: 'NUMERIC' } as const,
    ...Object.fromEntries(definition.attributes.map((a) => [a.name, attribute(a)])),
  }
  CREATE.parseCommand(parser, name, schema, { ON: 'HASH', PREFIX: prefix, STOPWORDS: [] })
  return { args: parser.redisArgs, decode: () => undefined }
}

function vectorField(definition: IndexDefinition) {
  const { algorithm } = definition
  const common = {
    type: 'VECTOR',
    TYPE: definition.vectorType,
    DIM: definition.dimensions,
    DISTANCE_METRIC: definition.metric,
  } as const
  if (algorithm.kind === 'FLAT') return { ...common, ALGORITHM: 'FLAT' } as const
  const { m, efConstruction, efRuntime } = algorithm
  return {
    ...common,
    ALGORITHM: 'HNSW',
    M: m,
    EF_CONSTRUCTION: efConstruction,
    EF_RUNTIME: efRuntime,
  } as const
}

/** FT.DROPINDEX: the documents stay. */
export function dropCommand(name: string): SearchCommand<void> {
  const parser = new BasicCommandParser()
  DROPINDEX.parseCommand(parser, name)
  return { args: parser.redisArgs, decode: () => undefined }
}

/** FT._LIST: the names of all indexes. */
export function listCommand(): SearchCommand<string[]> {
  const parser = new BasicCommandParser()
  _LIST.parseCommand(parser)
  return { args: parser.redisArgs, decode: (reply) => (reply as unknown[]).map(String) }
}

/** FT.INFO: whether all documents that were there when the index was made are in it, and how many couldn't be indexed. */
export function infoCommand(name: string): SearchCommand<{ filled: boolean; failures: number }> {
  const parser = new BasicCommandParser()
  INFO.parseCommand(parser, name)
  const decode = (reply: unknown) => {
    const info = INFO.transformReply[2](reply as Parameters<(typeof INFO.transformReply)[2]>[0])
    return { filled: Number(info.indexing) === 0, failures: Number(info.hash_indexing_failures) }
  }
  return { args: parser.redisArgs, decode }
}

/** FT.SEARCH in dialect 2. */
export function searchCommand(name: string, query: string, options: SearchOptions): SearchCommand<Found> {
  const parser = new BasicCommandParser()
  SEARCH.parseCommand(parser, name, query, {
    VERBATIM: true,
    ...(options.keys && { INKEYS: [...options.keys] }),
    RETURN: [...options.fields],
    TIMEOUT: options.timeoutMs,
    ...(options.sortBy !== undefined && { SORTBY: { BY: options.sortBy, DIRECTION: 'ASC' as const } }),
    LIMIT: { from: 0, size: options.count },
    ...(Object.keys(options.params).length > 0 && { PARAMS: { ...options.params } }),
    DIALECT: 2,
  })
  const { preserve } = parser
  const decode = (reply: unknown) => {
    const { total, documents } = SEARCH.transformReply[2](reply as unknown[], preserve)
    return {
      total: Number(total),
      documents: documents.map(({ id, value }) => {
        const fields = value as unknown as Record<string, Buffer>
        const text = (field: string) => (fields[field] ? String(fields[field]) : undefined)
        const has = (field: string) => fields[field] !== undefined
        return { key: String(id), fields, has, bytes: (field: string) => fields[field], text }
      }),
    }
  }
  return { args: parser.redisArgs, decode }
}

/** FT.CONFIG GET: a setting, absent where the module doesn't have it. */
export function configGetCommand(option: string): SearchCommand<string | undefined> {
  const parser = new BasicCommandParser()
  CONFIG_GET.parseCommand(parser, option)
  const decode = (reply: unknown) => {
    const pair = (reply as [Buffer, Buffer | null][]).find(([name]) => String(name) === option)
    return pair?.[1] ? String(pair[1]) : undefined
  }
  return { args: parser.redisArgs, decode }
}

/** FT.CONFIG SET. */
export function configSetCommand(option: string, value: string): SearchCommand<void> {
  const parser = new BasicCommandParser()
  CONFIG_SET.parseCommand(parser, option, value)
  return { args: parser.redisArgs, decode: () => undefined }
}
