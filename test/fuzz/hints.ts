import { create, type DescField, type DescMessage, toBinary } from '@bufbuild/protobuf'
import { DurationSchema, timestampFromMs } from '@bufbuild/protobuf/wkt'
import { encodeToken, type SessionToken } from '@perigee/core'
import { CacheService, SearchService, VectorSchema } from '@perigee/protocol'
import { MODEL, vectorMessage, vectorOf } from '../support/chunks.ts'
import type { Draw } from './draw.ts'
import { type FieldHints, MessageDraw, UNSET } from './message-draw.ts'

export const NAMESPACE = 'fuzz'
/** Of eight dimensions, with the attributes tag, num and body. */
export const INDEX = 'docs'

/** Keys and chunk ids are k0, k1 and so on. */
export const KEYS = 20

/** A namespace that a tenant has no rights in, and what is in it alone. */
export const HIDDEN = 'hidden'
export const CANARY = 'canary-4418'

const REGIONS = ['us-east-1', 'eu-west-1']
const FORWARDABLE = [...CacheService.methods, ...SearchService.methods]

/** Values that mean something to the sidecars of a stage, by the names that the contract has for fields. */
export function hintsFor(token: SessionToken): FieldHints {
  const hints: FieldHints = (field, draw) => {
    const known = BY_NAME[field.name]
    const hint = known?.(draw, field)
    // Some names are those of texts in one message, and of messages in another.
    if (hint !== undefined && !(field.message && typeof hint === 'string')) return hint
    if (field.message) return messageHint(field.message, draw)
    if (field.name === 'session_token' || field.name === 'session_tokens') {
      return field.name === 'session_token' && draw.chance(0.8) ? UNSET : drawnToken(token, draw)
    }
    if (field.name === 'request' && field.parent.name === 'ForwardRequest') {
      return new MessageDraw(hints).bytes(draw.pick(FORWARDABLE).input, draw, true)
    }
    return undefined
  }
  return hints
}

type Hint = (draw: Draw, field: DescField) => unknown

const BY_NAME: Readonly<Record<string, Hint>> = {
  namespace: (draw) => (draw.chance(0.85) ? NAMESPACE : draw.pick(['fuzz-2', HIDDEN])),
  key: (draw) => `k${draw.below(KEYS)}`,
  keys: (draw) => `k${draw.below(KEYS)}`,
  ids: (draw) => `k${draw.below(KEYS)}`,
  values: (draw, field) => (field.parent.name === 'ChunkIds' ? `k${draw.below(KEYS)}` : undefined),
  index: (draw) => indexName(draw),
  indexes: (draw) => indexName(draw),
  name: (draw, { parent }) => {
    if (parent.name === 'Attribute') return draw.pick(['tag', 'num', 'body', `x${draw.below(9)}`])
    // The stage's own index stays.
    return parent.name === 'DropIndexRequest' || draw.chance(0.6) ? `made-${draw.below(4)}` : indexName(draw)
  },
  id: (draw, field) => (field.parent.name === 'EmbeddingModel' ? MODEL.id : idOf(field, draw)),
  revision: () => MODEL.revision,
  k: (draw) => 1 + draw.below(20),
  samples: (draw) => 1 + draw.below(3),
  page_size: (draw) => draw.below(50),
  dimensions: (draw) => (draw.chance(0.9) ? 8 : 1 + draw.below(64)),
  ef_runtime: (draw) => draw.below(200),
  ef_construction: (draw) => draw.below(300),
  m: (draw) => draw.below(40),
  page_token: () => '',
  traceparent: () => '',
  text_query: rarely,
  text_weight: rarely,
  expected_versions: rarely,
  uid: rarely,
  written_at: rarely,
  precondition: (draw) => (draw.chance(0.8) ? UNSET : undefined),
  filter: (draw) => (draw.chance(0.5) ? UNSET : undefined),
  max_staleness: (draw) => (draw.chance(0.7) ? UNSET : undefined),
  words: () => 'one two',
  metadata: (draw) => ({ tag: `t${draw.below(20)}`, num: draw.below(100), body: 'one two three' }),
  request_id: (draw) => (draw.chance(0.7) ? '' : `r${draw.below(5)}`),
  version: (draw, { parent }) =>
    parent.name === 'Precondition' ? `${draw.below(3)}-${draw.below(100)}` : UNSET,
  attribute: (draw, { parent }) => {
    if (parent.name === 'TagIn') return 'tag'
    return parent.name === 'NumberRange' ? 'num' : draw.pick(['body', 'text'])
  },
  content_type: () => 'text/plain',
  region_tags: (draw) => draw.pick(REGIONS),
  from_region: (draw) => draw.pick(REGIONS),
  // A promotion in earnest now and then: every one takes its while.
  region: (draw) => (draw.chance(0.02) ? draw.pick(REGIONS) : draw.text()),
  method: (draw) => {
    const { parent, name } = draw.pick(FORWARDABLE)
    return `${parent.typeName}/${name}`
  },
  timeout_ms: (draw) => draw.below(2000),
  session: (draw) => draw.below(3),
}

/** Most of the time that alone would have it refused. */
function rarely(draw: Draw): typeof UNSET | undefined {
  return draw.chance(0.97) ? UNSET : undefined
}

function indexName(draw: Draw): string {
  return draw.chance(0.7) ? INDEX : `made-${draw.below(4)}`
}

function idOf(field: DescField, draw: Draw): unknown {
  return field.parent.name === 'Chunk' ? `k${draw.below(KEYS)}` : undefined
}

function messageHint(schema: DescMessage, draw: Draw): unknown {
  if (schema.typeName === DurationSchema.typeName && draw.chance(0.97)) {
    return create(DurationSchema, { seconds: BigInt(draw.below(2)), nanos: draw.below(1e9) })
  }
  if (schema.typeName === 'google.protobuf.Timestamp' && draw.chance(0.97)) {
    return timestampFromMs(Date.now() + draw.below(3000))
  }
  if (schema.typeName === VectorSchema.typeName && draw.chance(0.9)) {
    return create(VectorSchema, vectorMessage(vectorOf(String(draw.below(50)))))
  }
  return undefined
}

/** A token near what a session has seen: what it had, a little more, much more, another cluster's, several epochs. */
export function drawnToken({ clusterId, position }: SessionToken, draw: Draw): Uint8Array {
  const own = draw.chance(0.9) ? clusterId : Buffer.from(draw.bytes(8)).toString('hex')
  const near = () => Math.max(0, position.seq + draw.below(2000) - 1000)
  const seq = () => draw.pick([0, position.seq, near(), 2 ** 32, Number.MAX_SAFE_INTEGER])
  const epoch = draw.pick([position.epoch, position.epoch, position.epoch + 1000, 1, Number.MAX_SAFE_INTEGER])
  const olderCount = draw.chance(0.3) ? 1 + draw.below(4) : 0
  const older = Array.from({ length: olderCount }, (_, i) => ({
    epoch: Math.max(0, epoch - (olderCount - i)),
    seq: seq(),
  }))
  return encodeToken({ clusterId: own, position: { epoch, seq: seq() }, ...(olderCount > 0 && { older }) })
}

/** The bytes of a message of any type. */
export function drawnBytes(schema: DescMessage, messages: MessageDraw, draw: Draw): Uint8Array {
  return toBinary(schema, messages.message(schema, draw, draw.chance(0.8)))
}
