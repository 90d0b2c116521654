import { create } from '@bufbuild/protobuf'
import {
  Consistency,
  Durability,
  WhenBehind,
  type ReadOptions as WireReadOptions,
  ReadOptionsSchema as WireReadOptionsSchema,
  type WriteOptions as WireWriteOptions,
  WriteOptionsSchema as WireWriteOptionsSchema,
} from '@perigee/protocol'
import { durationFromMs } from './duration.ts'
import type { Receipt } from './receipt.ts'

/** What any call takes. */
export interface CallOptions {
  /** Longest time for the call with all its attempts, in milliseconds. Default: the client's `defaultTimeoutMs`. */
  readonly timeoutMs?: number | undefined
  /** Gives the call up: it fails with code `CANCELLED`, and the signal's reason as the cause. */
  readonly signal?: AbortSignal | undefined
  /** Hears where each answer came from and how fresh it is. */
  readonly onReceipt?: ((receipt: Receipt) => void) | undefined
}

/** What a read takes. */
export interface ReadOptions extends CallOptions {
  /**
   * How fresh the answer must be. `session`: it includes everything the session has seen. `eventual`: whatever the
   * nearest region holds. `primary`: from the primary region. Default: `session` in a session, else `eventual`.
   */
  readonly consistency?: 'eventual' | 'session' | 'primary' | undefined
  /** Longest wait for the region to catch up with the session, in milliseconds. Default: the sidecar's, 50. */
  readonly maxWaitMs?: number | undefined
  /** When the region is still behind then: ask the primary, or fail with `BEHIND_SESSION`. Default: `forward`. */
  readonly whenBehind?: 'forward' | 'fail' | undefined
  /**
   * When no answer has come after so many milliseconds, another sidecar is asked as well, and the first good answer
   * counts; `Infinity`: never. A value a little above the usual latency's 95th percentile costs few calls and takes away
   * the slowest ones. Default: the client's `hedgeAfterMs`.
   */
  readonly hedgeAfterMs?: number | undefined
  /** Treat a region whose lag is above this as behind, in milliseconds. */
  readonly maxStalenessMs?: number | undefined
}

/** What a write takes. */
export interface WriteOptions extends CallOptions {
  /**
   * `primary`: acknowledged once the primary has it. `replicated`: once so many replicas have it that it survives the
   * loss of the primary. Default: `primary`.
   */
  readonly durability?: 'primary' | 'replicated' | undefined
}

const CONSISTENCIES = {
  eventual: Consistency.EVENTUAL,
  session: Consistency.SESSION,
  primary: Consistency.PRIMARY,
} as const
const WHEN_BEHIND = { forward: WhenBehind.FORWARD, fail: WhenBehind.FAIL } as const
const DURABILITIES = { primary: Durability.PRIMARY, replicated: Durability.REPLICATED } as const

/** A read's options on the wire, with the session's token. */
export function readOptions(options: ReadOptions, token: Uint8Array | undefined): WireReadOptions {
  const { consistency, maxWaitMs, whenBehind, maxStalenessMs } = options
  return create(WireReadOptionsSchema, {
    consistency: consistency ? CONSISTENCIES[consistency] : Consistency.UNSPECIFIED,
    whenBehind: whenBehind ? WHEN_BEHIND[whenBehind] : WhenBehind.UNSPECIFIED,
    ...(token && { sessionToken: token }),
    ...(maxWaitMs !== undefined && { maxWait: durationFromMs(maxWaitMs, 'options.max_wait') }),
    ...(maxStalenessMs !== undefined && {
      maxStaleness: durationFromMs(maxStalenessMs, 'options.max_staleness'),
    }),
  })
}

/** A write's options on the wire, with the session's token. */
export function writeOptions(
  options: WriteOptions,
  token: Uint8Array | undefined,
  requestId: string,
): WireWriteOptions {
  return create(WireWriteOptionsSchema, {
    durability: durabilityOf(options.durability),
    requestId,
    ...(token && { sessionToken: token }),
  })
}

/** When a write is acknowledged, on the wire. */
export function durabilityOf(durability: WriteOptions['durability']): Durability {
  return durability ? DURABILITIES[durability] : Durability.UNSPECIFIED
}
