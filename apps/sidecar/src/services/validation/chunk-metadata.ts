import type { JsonObject, JsonValue } from '@bufbuild/protobuf'
import type { Limits } from '@perigee/core'
import type { AttributeDefinition } from '../../redis/index-definition.ts'
import { invalidField } from '../../status-error.ts'
import { checkBytes } from './name.ts'

/**
 * The metadata of a chunk as JSON.
 *
 * @throws StatusError TOO_LARGE; INVALID_FIELD for a number that JSON can't hold, and for a declared attribute of another
 *   type than declared.
 */
export function metadataJson(
  field: string,
  metadata: JsonObject | undefined,
  attributes: readonly AttributeDefinition[],
  limits: Limits,
): string {
  if (!metadata) return '{}'
  checkFinite(field, metadata)
  for (const attribute of attributes) {
    const value = Object.hasOwn(metadata, attribute.name) ? metadata[attribute.name] : undefined
    if (value !== undefined) checkAttribute(`${field}.${attribute.name}`, attribute.type, value)
  }
  const json = JSON.stringify(metadata)
  checkBytes(field, json, limits.valueBytesMax)
  return json
}

/** A Struct can carry NaN and infinities, which JSON would turn into null. The depth is protobuf's, at most 100. */
function checkFinite(field: string, value: JsonValue): void {
  if (typeof value === 'number') {
    if (!Number.isFinite(value)) throw invalidField(field, `is ${value}; JSON has finite numbers only`)
  } else if (Array.isArray(value)) {
    for (const [index, item] of value.entries()) checkFinite(`${field}[${index}]`, item)
  } else if (value !== null && typeof value === 'object') {
    for (const [name, item] of Object.entries(value)) checkFinite(`${field}.${name}`, item)
  }
}

function checkAttribute(field: string, type: AttributeDefinition['type'], value: JsonValue): void {
  switch (type) {
    case 'NUMERIC':
      if (typeof value === 'number') return
      throw invalidField(field, 'must be a number: the index declares it ATTRIBUTE_TYPE_NUMERIC')
    case 'TEXT':
      if (typeof value === 'string') return
      throw invalidField(field, 'must be a string: the index declares it ATTRIBUTE_TYPE_TEXT')
    case 'TAG':
      if (typeof value === 'string') return
      if (Array.isArray(value) && value.every((item) => typeof item === 'string')) return
      throw invalidField(
        field,
        'must be a string or a list of strings: the index declares it ATTRIBUTE_TYPE_TAG',
      )
  }
}
