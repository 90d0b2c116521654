import type { DescEnum, DescField, DescMessage, Message } from '@bufbuild/protobuf'
import type { Duration, Timestamp } from '@bufbuild/protobuf/wkt'
import { invalidField, refusal } from '../../status-error.ts'

/** Refuses one message, or lets it pass. The path names the message, with a dot at its end; empty at the root. */
type Check = (message: MessageFields, path: string) => void

type MessageFields = Message & Record<string, unknown>

const NANOS_MAX = 999_999_999
const DURATION_SECONDS_MAX = 315_576_000_000n
const TIMESTAMP_SECONDS_MIN = -62_135_596_800n
const TIMESTAMP_SECONDS_MAX = 253_402_300_799n

const checks = new WeakMap<DescMessage, Check>()

/**
 * Refuses what is wrong in any message, at any depth: fields that this version doesn't know, unknown enum values,
 * durations and timestamps out of protobuf's range.
 *
 * @throws StatusError UNKNOWN_FIELD or INVALID_FIELD, naming the path in proto names: `chunks[3].vector`.
 */
export function checkMessage(schema: DescMessage, message: Message): void {
  checkOf(schema)(message as MessageFields, '')
}

/** Compiled on first use; looked up again at each call, since messages may contain themselves. */
function checkOf(schema: DescMessage): Check {
  const known = checks.get(schema)
  if (known) return known
  const check = compile(schema)
  checks.set(schema, check)
  return check
}

function compile(schema: DescMessage): Check {
  if (schema.typeName === 'google.protobuf.Duration') return checkDuration as unknown as Check
  if (schema.typeName === 'google.protobuf.Timestamp') return checkTimestamp as unknown as Check
  const fields = schema.fields.map(compileField).filter((check) => check !== undefined)
  return (message, path) => {
    if (message.$unknown?.length) throw unknownField(schema, message, path)
    for (const check of fields) check(message, path)
  }
}

function compileField(field: DescField): Check | undefined {
  // protobuf-es keeps a Struct as a plain JSON object, in which nothing unknown can hide.
  if (field.message?.typeName === 'google.protobuf.Struct') return undefined
  const value = compileValue(field)
  if (!value) return undefined
  const read = reader(field)
  const { name } = field
  if (field.fieldKind === 'list') {
    return (message, path) => {
      const list = message[field.localName] as unknown[]
      for (let i = 0; i < list.length; i++) value(list[i], `${path}${name}[${i}]`)
    }
  }
  if (field.fieldKind === 'map') {
    return (message, path) => {
      for (const [key, item] of Object.entries(message[field.localName] as object)) {
        value(item, `${path}${name}[${key}]`)
      }
    }
  }
  return (message, path) => {
    const item = read(message)
    if (item !== undefined) value(item, `${path}${name}`)
  }
}

function compileValue(field: DescField): ((value: unknown, path: string) => void) | undefined {
  const { enum: values, message: schema } = field
  if (values) return (value, path) => checkEnum(values, value as number, path)
  if (!schema) return undefined
  const flat =
    schema.typeName === 'google.protobuf.Duration' || schema.typeName === 'google.protobuf.Timestamp'
  return (value, path) => checkOf(schema)(value as MessageFields, flat ? path : `${path}.`)
}

function reader(field: DescField): (message: MessageFields) => unknown {
  const { oneof, localName } = field
  if (!oneof) return (message) => message[localName]
  return (message) => {
    const chosen = message[oneof.localName] as { case?: string; value?: unknown }
    return chosen.case === localName ? chosen.value : undefined
  }
}

function unknownField(schema: DescMessage, message: Message, path: string) {
  const number = message.$unknown?.[0]?.no
  const field = `${path}${number}`
  const place = path ? `${path.slice(0, -1)} (${schema.typeName})` : schema.typeName
  return refusal(
    'UNKNOWN_FIELD',
    `Field ${number} of ${place} isn't known to this version; leave it unset, or ask a newer sidecar.`,
    { fields: [{ field, description: `isn't a field of ${schema.typeName} in this version` }] },
  )
}

function checkEnum(values: DescEnum, value: number, path: string): void {
  if (values.value[value]) return
  const known = values.values.map((v) => v.name).join(', ')
  throw invalidField(path, `has the unknown value ${value}; ${values.name} has ${known}`)
}

function checkDuration(duration: Duration, path: string): void {
  const { seconds, nanos } = duration
  if (duration.$unknown?.length) throw invalidField(path, 'has fields that a Duration has not')
  if (seconds > DURATION_SECONDS_MAX || seconds < -DURATION_SECONDS_MAX) {
    throw invalidField(path, 'is out of range: a Duration has at most 315,576,000,000 seconds')
  }
  if (Math.abs(nanos) > NANOS_MAX || (seconds > 0n && nanos < 0) || (seconds < 0n && nanos > 0)) {
    throw invalidField(path, 'has nanos out of range: at most 999,999,999, with the sign of the seconds')
  }
}

function checkTimestamp(timestamp: Timestamp, path: string): void {
  const { seconds, nanos } = timestamp
  if (timestamp.$unknown?.length) throw invalidField(path, 'has fields that a Timestamp has not')
  if (seconds < TIMESTAMP_SECONDS_MIN || seconds > TIMESTAMP_SECONDS_MAX || nanos < 0 || nanos > NANOS_MAX) {
    throw invalidField(path, 'is out of range: a Timestamp is between the years 1 and 9999')
  }
}
