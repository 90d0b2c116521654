import type { Limits } from '@perigee/core'
import type {
  ClearNamespaceRequest,
  DeleteRequest,
  Entry,
  GetManyRequest,
  GetRequest,
  ListKeysRequest,
  Precondition,
  SetManyRequest,
  SetRequest,
} from '@perigee/protocol'
import { invalidField, tooLarge } from '../../status-error.ts'
import { unixMsOf } from '../../wire-time.ts'
import { ttlMsOf } from './duration.ts'
import { checkCount, checkDistinct, pageSizeOf } from './list.ts'
import { checkBytes, checkKey, checkName, checkNoNul } from './name.ts'
import { type ReadChoice, readChoiceOf, type WriteChoice, writeChoiceOf } from './options.ts'

/** A condition that a write depends on. */
export type EntryCondition =
  | { readonly kind: 'exists'; readonly exists: boolean }
  | { readonly kind: 'version'; readonly version: string }

/** One entry to write. */
interface EntryInput {
  readonly key: string
  readonly value: Uint8Array
  readonly contentType: string
  /** Whole milliseconds, at least one. */
  readonly ttlMs?: number
  /** Unix milliseconds; in the past, the entry replaces the one before it and is expired at once. */
  readonly expiresAtMs?: number
}

/** What a checked Get asks. */
export interface GetInput {
  readonly namespace: string
  readonly key: string
  readonly choice: ReadChoice
}

/** What a checked GetMany asks. */
export interface GetManyInput {
  readonly namespace: string
  readonly keys: readonly string[]
  readonly choice: ReadChoice
}

/** What a checked Set asks. */
export interface SetInput {
  readonly namespace: string
  readonly entry: EntryInput
  readonly condition?: EntryCondition
  readonly choice: WriteChoice
}

/** What a checked SetMany asks. */
export interface SetManyInput {
  readonly namespace: string
  readonly entries: readonly EntryInput[]
  readonly choice: WriteChoice
}

/** What a checked Delete asks. */
export interface DeleteInput {
  readonly namespace: string
  readonly keys: readonly string[]
  readonly condition?: EntryCondition
  readonly choice: WriteChoice
}

/** What a checked ListKeys asks. */
export interface ListKeysInput {
  readonly namespace: string
  readonly prefix: string
  readonly pageSize: number
  /** As received; `readPageToken` reads it. */
  readonly pageToken: string
  readonly choice: ReadChoice
}

/** What a checked ClearNamespace asks. */
export interface ClearNamespaceInput {
  readonly namespace: string
  readonly choice: WriteChoice
}

export function checkGet(request: GetRequest, limits: Limits): GetInput {
  const { namespace, key, options } = request
  checkName('namespace', namespace)
  checkKey('key', key, limits)
  return { namespace, key, choice: readChoiceOf(options) }
}

/** A key may come twice; its entry then does, too. */
export function checkGetMany(request: GetManyRequest, limits: Limits): GetManyInput {
  const { namespace, keys, options } = request
  checkName('namespace', namespace)
  checkKeys(keys, limits)
  return { namespace, keys, choice: readChoiceOf(options) }
}

/** @param defaultTtlMs for an entry that brings no ttl: the sidecar's configured one. */
export function checkSet(request: SetRequest, limits: Limits, defaultTtlMs?: number): SetInput {
  const { namespace, key, value, contentType, ttl, precondition, options } = request
  checkName('namespace', namespace)
  checkKey('key', key, limits)
  checkValue('value', value, limits)
  checkBytes('content_type', contentType, limits.contentTypeBytesMax)
  const ttlMs = ttlMsOf('ttl', ttl) ?? defaultTtlMs
  const condition = conditionOf(precondition)
  return {
    namespace,
    entry: { key, value, contentType, ...(ttlMs && { ttlMs }) },
    ...(condition && { condition }),
    choice: writeChoiceOf(options, limits),
  }
}

/** Of each entry, `version` and `written_at` aren't read. */
export function checkSetMany(request: SetManyRequest, limits: Limits): SetManyInput {
  const { namespace, entries, options } = request
  checkName('namespace', namespace)
  checkCount('entries', entries, limits)
  const inputs = entries.map((entry, index) => entryInput(entry, `entries[${index}]`, limits))
  checkDistinct(
    inputs.map((entry) => entry.key),
    (index) => `entries[${index}].key`,
  )
  return { namespace, entries: inputs, choice: writeChoiceOf(options, limits) }
}

/** A key may come twice; it is deleted once. */
export function checkDelete(request: DeleteRequest, limits: Limits): DeleteInput {
  const { namespace, keys, precondition, options } = request
  checkName('namespace', namespace)
  checkKeys(keys, limits)
  const condition = conditionOf(precondition)
  if (condition && keys.length !== 1) {
    throw invalidField('keys', `must name exactly one with a precondition, not ${keys.length}`)
  }
  return { namespace, keys, ...(condition && { condition }), choice: writeChoiceOf(options, limits) }
}

export function checkListKeys(request: ListKeysRequest, limits: Limits): ListKeysInput {
  const { namespace, prefix, pageSize, pageToken, options } = request
  checkName('namespace', namespace)
  checkBytes('prefix', prefix, limits.keyBytesMax)
  checkNoNul('prefix', prefix)
  return {
    namespace,
    prefix,
    pageSize: pageSizeOf(pageSize, limits),
    pageToken,
    choice: readChoiceOf(options),
  }
}

export function checkClearNamespace(request: ClearNamespaceRequest, limits: Limits): ClearNamespaceInput {
  checkName('namespace', request.namespace)
  return { namespace: request.namespace, choice: writeChoiceOf(request.options, limits) }
}

function checkKeys(keys: readonly string[], limits: Limits): void {
  checkCount('keys', keys, limits)
  for (const [index, key] of keys.entries()) checkKey(`keys[${index}]`, key, limits)
}

function checkValue(field: string, value: Uint8Array, limits: Limits): void {
  if (value.length > limits.valueBytesMax) {
    throw tooLarge(field, `has ${value.length} bytes, at most ${limits.valueBytesMax} are taken`)
  }
}

function entryInput(entry: Entry, path: string, limits: Limits): EntryInput {
  const { key, value, contentType, expiresAt } = entry
  checkKey(`${path}.key`, key, limits)
  checkValue(`${path}.value`, value, limits)
  checkBytes(`${path}.content_type`, contentType, limits.contentTypeBytesMax)
  if (!expiresAt) return { key, value, contentType }
  const expiresAtMs = unixMsOf(expiresAt)
  // Written in whole milliseconds, of which none means never.
  if (expiresAtMs < 1) throw invalidField(`${path}.expires_at`, 'must be after 1970')
  return { key, value, contentType, expiresAtMs }
}

function conditionOf(precondition: Precondition | undefined): EntryCondition | undefined {
  if (!precondition) return undefined
  const { case: kind, value } = precondition.condition
  switch (kind) {
    case 'exists':
      return { kind, exists: value }
    case 'version':
      if (value === '')
        throw invalidField('precondition.version', 'must be the version of an entry, not empty')
      return { kind, version: value }
    default:
      throw invalidField('precondition', 'must have exactly one condition: exists, or version')
  }
}
