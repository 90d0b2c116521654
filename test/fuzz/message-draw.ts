import {
  create,
  type DescField,
  type DescMessage,
  type Message,
  ScalarType,
  toBinary,
} from '@bufbuild/protobuf'
import type { Draw } from './draw.ts'

const DEPTH_MAX = 6

/** Says that a field stays unset. */
export const UNSET = Symbol('unset')

/** Gives a field a value that the sidecar can do something with, or nothing for fields that it doesn't know. */
export type FieldHints = (field: DescField, draw: Draw) => unknown

/**
 * Random messages of any type, made from its descriptor: valid as protobuf, and as the sidecar understands them wherever
 * hints know a field.
 */
export class MessageDraw {
  readonly #hints: FieldHints

  constructor(hints: FieldHints) {
    this.#hints = hints
  }

  /** @param tame only values that the hints give, where they give any. */
  message(schema: DescMessage, draw: Draw, tame: boolean, depth = 0): Message {
    if (schema.typeName === 'google.protobuf.Struct') {
      throw new TypeError('a Struct is drawn as a JSON object, by its field')
    }
    const message = create(schema) as Message & Record<string, unknown>
    const share = tame ? 0.7 : 0.6
    for (const member of schema.members) {
      if (member.kind === 'oneof') {
        if (!draw.chance(tame ? 0.97 : share)) continue
        const field = draw.pick(member.fields)
        const value = this.#value(field, draw, tame, depth)
        if (isSet(value)) message[member.localName] = { case: field.localName, value }
      } else if (draw.chance(isNeeded(member) ? 0.97 : share)) {
        const value = this.#field(member, draw, tame, depth)
        if (isSet(value)) message[member.localName] = value
      }
    }
    return message
  }

  bytes(schema: DescMessage, draw: Draw, tame: boolean): Uint8Array {
    return toBinary(schema, this.message(schema, draw, tame))
  }

  #field(field: DescField, draw: Draw, tame: boolean, depth: number): unknown {
    if (field.fieldKind === 'list') {
      const most = !tame && draw.chance(0.01) ? 1100 : 4
      const least = tame ? 1 : 0
      const count = least + draw.below(most)
      const values = Array.from({ length: count }, () => this.#value(field, draw, tame, depth))
      return [...new Set(values.filter(isSet))]
    }
    if (field.fieldKind === 'map') return {}
    return this.#value(field, draw, tame, depth)
  }

  #value(field: DescField, draw: Draw, tame: boolean, depth: number): unknown {
    const hinted = tame || draw.chance(0.7) ? this.#hints(field, draw) : undefined
    if (hinted !== undefined) return hinted
    if (field.enum) {
      const known = field.enum.values.map(({ number }) => number)
      if (tame) return draw.pick(known.filter((number) => number > 0))
      return draw.chance(0.9) ? draw.pick(known) : draw.below(1000)
    }
    if (field.message) {
      if (depth >= DEPTH_MAX) return undefined
      if (field.message.typeName === 'google.protobuf.Struct') return json(draw, 2)
      return this.message(field.message, draw, tame, depth + 1)
    }
    return field.scalar === undefined ? undefined : scalar(field.scalar, draw)
  }
}

function isSet(value: unknown): boolean {
  return value !== undefined && value !== UNSET
}

const NEEDED = new Set([
  ...['namespace', 'key', 'keys', 'ids', 'entries', 'chunks', 'index', 'indexes', 'alias', 'name', 'model'],
  ...['vector', 'id', 'k', 'dimensions', 'metric', 'type', 'revision', 'method', 'request', 'from_region'],
])

/** Without these hardly any request gets past the first check. */
function isNeeded({ name }: DescField): boolean {
  return NEEDED.has(name)
}

function scalar(type: ScalarType, draw: Draw): unknown {
  switch (type) {
    case ScalarType.STRING:
      return draw.text()
    case ScalarType.BYTES:
      return draw.bytes(draw.chance(0.02) ? draw.below(100_000) : draw.below(40))
    case ScalarType.BOOL:
      return draw.chance(0.5)
    case ScalarType.DOUBLE:
    case ScalarType.FLOAT:
      return type === ScalarType.FLOAT ? Math.fround(draw.real()) : draw.real()
    case ScalarType.INT64:
    case ScalarType.SINT64:
    case ScalarType.SFIXED64:
      return BigInt.asIntN(64, draw.whole())
    case ScalarType.UINT64:
    case ScalarType.FIXED64:
      return BigInt.asUintN(64, draw.whole())
    case ScalarType.UINT32:
    case ScalarType.FIXED32:
      return Number(BigInt.asUintN(32, draw.whole()))
    default:
      return Number(BigInt.asIntN(32, draw.whole()))
  }
}

/** A JSON object, as a Struct's field takes it. */
function json(draw: Draw, depth: number): Record<string, never> {
  const value = (): unknown => {
    if (depth > 0 && draw.chance(0.2)) return json(draw, depth - 1)
    if (draw.chance(0.2)) return [draw.text(), draw.below(9)]
    return draw.pick([draw.text(), draw.below(100), true, null, 1e308, -0.5])
  }
  const names = ['tag', 'num', 'body', draw.text()]
  const count = draw.below(4)
  const pairs = Array.from({ length: count }, () => [draw.pick(names), value()])
  return Object.fromEntries(pairs) as Record<string, never>
}
