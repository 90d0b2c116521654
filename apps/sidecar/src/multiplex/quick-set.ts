import { fromBinary } from '@bufbuild/protobuf'
import { DurationSchema } from '@bufbuild/protobuf/wkt'
import type { Limits, SessionToken } from '@perigee/core'
import { Durability, type PlainSet } from '@perigee/protocol'
import { writeDeadlineMs } from '../grpc/call.ts'
import type { SetDemand } from '../primary/set-each.ts'
import type { EntryWrite } from '../primary/writer.ts'
import { ttlMsOf } from '../services/validation/duration.ts'
import { hashOf } from '../services/write-demand.ts'
import type { MultiplexedCall } from './multiplexed-call.ts'
import type { GroupedSet } from './set-group.ts'

/** Throws for what the handler of Set is to answer, be it with an error. */
class NotQuick extends Error {}

/**
 * A Set that asks nothing out of the ordinary, checked as those are that protobuf-es reads. It is all that is kept of it beside
 * its frame: most of what a sidecar did for a Set once was making objects, and collecting them.
 */
export class QuickSet implements GroupedSet, SetDemand, EntryWrite {
  readonly call: MultiplexedCall
  readonly key: string
  readonly value: Buffer
  readonly contentType: string
  readonly ttlMs: number | undefined
  readonly requestId: string
  readonly token: SessionToken | undefined
  readonly #bodyBytes: number

  /** @throws Error for what the handler of Set is to answer. */
  constructor(call: MultiplexedCall, plain: PlainSet, defaultTtlMs: number, limits: Limits) {
    const { key, value, contentType, ttl, durability, requestId } = plain
    const fits =
      key !== '' &&
      key.length <= limits.keyBytesMax &&
      value.length <= limits.valueBytesMax &&
      contentType.length <= limits.contentTypeBytesMax &&
      requestId.length <= limits.requestIdBytesMax
    if (!fits || durability > Durability.PRIMARY) throw new NotQuick()
    this.call = call
    this.key = key
    this.value = value
    this.contentType = contentType
    this.ttlMs = (ttl ? ttlMsOf('ttl', fromBinary(DurationSchema, ttl)) : defaultTtlMs) || undefined
    this.requestId = requestId
    this.token = call.session?.token
    this.#bodyBytes = plain.bodyBytes
  }

  get demand(): SetDemand {
    return this
  }

  get entry(): EntryWrite {
    return this
  }

  get deadlineMs(): number {
    return writeDeadlineMs(this.call)
  }

  get requester(): string {
    return this.call.principal.name
  }

  get bodyHash(): string {
    return hashOf(this.call.asked.request.subarray(0, this.#bodyBytes))
  }
}
