import type { StandardSchemaV1 } from '@standard-schema/spec'
import { PerigeeError } from './perigee-error.ts'

/**
 * Turns values into the bytes a cache keeps, and back.
 *
 * @typeParam Out what reading gives.
 * @typeParam In what writing takes.
 */
export interface Codec<Out, In = Out> {
  /** Kept with each entry, such as `application/json`; at most 255 bytes. */
  readonly contentType: string
  /** @throws when the value can't be written; the write then fails with `INVALID_ARGUMENT`. */
  encode(value: In): Uint8Array | Promise<Uint8Array>
  /** @throws when the bytes don't hold such a value; see {@link Cache.get} and {@link Cache.getOrCompute}. */
  decode(bytes: Uint8Array): Out | Promise<Out>
}

/**
 * Bytes as they are. Copies what it reads, so that a value keeps no whole message in memory. Like all small Buffers of Node,
 * values share memory with others: make other views by `new Float32Array(value.buffer, value.byteOffset, count)`, never of all
 * of `value.buffer`. They begin at a multiple of eight bytes.
 */
export const bytes: Codec<Uint8Array> = {
  contentType: 'application/octet-stream',
  encode: (value) => value,
  decode(stored) {
    // Memory of its own for each costs three times as much.
    const { buffer, byteOffset, length } = Buffer.from(stored)
    return new Uint8Array(buffer, byteOffset, length)
  },
}

const utf8 = new TextDecoder('utf-8', { fatal: true })

/** A string, as UTF-8. */
export const text: Codec<string> = {
  contentType: 'text/plain; charset=utf-8',
  encode: (value) => Buffer.from(value, 'utf8'),
  decode: (stored) => utf8.decode(stored),
}

/** Any JSON value, unchecked. */
export function json<T = unknown>(): Codec<T>
/**
 * JSON, checked by a Standard Schema (Zod, Valibot, ArkType, …) on write and on read. What is stored is the value as
 * given; reading gives the schema's output.
 */
export function json<S extends StandardSchemaV1>(
  schema: S,
): Codec<StandardSchemaV1.InferOutput<S>, StandardSchemaV1.InferInput<S>>
export function json(schema?: StandardSchemaV1): Codec<unknown> {
  return {
    contentType: 'application/json',
    async encode(value) {
      if (schema) await validate(schema, value)
      const written = JSON.stringify(value)
      if (written === undefined) throw new TypeError(`JSON has no form for ${typeof value}`)
      return Buffer.from(written, 'utf8')
    },
    decode(stored) {
      const value: unknown = JSON.parse(Buffer.from(stored).toString('utf8'))
      return schema ? validate(schema, value) : value
    },
  }
}

async function validate(schema: StandardSchemaV1, value: unknown): Promise<unknown> {
  const result = await schema['~standard'].validate(value)
  if (!result.issues) return result.value
  throw new TypeError(result.issues.map(describe).join('; '))
}

function describe(issue: StandardSchemaV1.Issue): string {
  const path = issue.path?.map((part) => String(typeof part === 'object' ? part.key : part)).join('.')
  return path ? `${path}: ${issue.message}` : issue.message
}

/** A stored value that its codec can't read. */
export class UnreadableValueError extends PerigeeError {
  constructor(where: string, cause: unknown) {
    const why = cause instanceof Error ? cause.message : String(cause)
    super(
      `the value cached at ${where} does not fit the codec (${why}): another version or program may have written it; delete it, or read it with getOrCompute, which writes it anew`,
      { code: 'FAILED_PRECONDITION', cause },
    )
  }
}
