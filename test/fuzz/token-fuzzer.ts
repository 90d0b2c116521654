import { durationFromMs } from '@bufbuild/protobuf/wkt'
import {
  comparePositions,
  decodeToken,
  encodeToken,
  InvalidTokenError,
  mergeTokens,
  type SessionToken,
  tokenFromString,
  tokenToString,
} from '@perigee/core'
import { Consistency, WhenBehind } from '@perigee/protocol'
import { CallError, RawClient } from '../support/clients.ts'
import type { Draw } from './draw.ts'
import { Finding, type Fuzzer, hex } from './fuzzer.ts'
import { drawnToken, NAMESPACE } from './hints.ts'
import { mutated } from './mutation.ts'
import type { Stage } from './stage.ts'

const DEADLINE_MS = 10_000
/** What a read may take over its max_wait: a call to the primary's sidecar, on a busy machine. */
const OVER_WAIT_MS = 3_000
/** So many times running it is the token's fault, and not that of others' work on the machine. */
const SLOW_TIMES = 3
const MAX_WAIT_MS = 150
const TOLD = new Set(['OK', 'INVALID_ARGUMENT', 'DATA_LOSS', 'UNAVAILABLE'])

/** Session tokens, forged and damaged, in reads of either region: refused, told, or waited for within bounds. */
export class TokenFuzzer implements Fuzzer {
  readonly lanes = 8
  readonly #token: SessionToken
  readonly #clients: readonly RawClient[]

  constructor(stage: Stage) {
    this.#token = stage.token
    this.#clients = stage.addresses.map((address) => new RawClient(address, stage.callers.operator))
  }

  async run(draw: Draw, note: (input: string) => void): Promise<string> {
    const whole = drawnToken(this.#token, draw)
    const bytes = draw.chance(0.6) ? whole : mutated(whole, draw)
    note(hex(bytes))
    const token = read(bytes)
    if (token) demandSound(bytes, token, this.#token)
    const maxWaitMs = draw.below(MAX_WAIT_MS)
    const get = this.#reader(bytes, maxWaitMs, draw)
    for (let again = SLOW_TIMES; ; again--) {
      const startedMs = performance.now()
      const status = await get()
      const tookMs = performance.now() - startedMs
      if (!TOLD.has(status)) throw new Finding(`a read with it is ${status}`)
      this.#judge(status, bytes, token)
      if (tookMs <= maxWaitMs + OVER_WAIT_MS) return status
      if (again === 1) {
        throw new Finding(`a read with it took ${Math.round(tookMs)} ms, and max_wait was ${maxWaitMs} ms`)
      }
    }
  }

  #judge(status: string, bytes: Uint8Array, token: SessionToken | undefined): void {
    if (bytes.length === 0) return
    const isOwn = token?.clusterId === this.#token.clusterId
    if (!isOwn && status !== 'INVALID_ARGUMENT') {
      throw new Finding(`${token ? "another cluster's token" : 'what is no token'} is ${status}`)
    }
    const isSeen =
      isOwn &&
      token.older === undefined &&
      token.position.epoch === this.#token.position.epoch &&
      comparePositions(token.position, this.#token.position) <= 0
    if (isSeen && status !== 'OK') throw new Finding(`a token of what everybody holds is ${status}`)
  }

  /** Reads in the same way each time. */
  #reader(sessionToken: Uint8Array, maxWaitMs: number, draw: Draw): () => Promise<string> {
    const options = {
      ...{ sessionToken, maxWait: durationFromMs(maxWaitMs), consistency: Consistency.SESSION },
      whenBehind: draw.chance(0.5) ? WhenBehind.FORWARD : WhenBehind.FAIL,
    }
    const request = { namespace: NAMESPACE, key: 'k0', options }
    const client = draw.pick(this.#clients)
    return async () => {
      try {
        await client.cache.get(request, { timeoutMs: DEADLINE_MS })
        return 'OK'
      } catch (error) {
        if (error instanceof CallError) return error.status
        throw error
      }
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const client of this.#clients) client.close()
  }
}

function read(bytes: Uint8Array): SessionToken | undefined {
  try {
    return decodeToken(bytes)
  } catch (error) {
    if (error instanceof InvalidTokenError) return undefined
    throw new Finding(`reading it throws ${error}`)
  }
}

/** What is read of it is written the same, and merging takes nothing away. */
function demandSound(bytes: Uint8Array, token: SessionToken, known: SessionToken): void {
  if (hex(encodeToken(token)) !== hex(bytes)) throw new Finding('written again, it differs')
  if (hex(tokenFromString(tokenToString(bytes))) !== hex(bytes)) throw new Finding('as a string, it differs')
  if (token.clusterId !== known.clusterId) return
  const [a, b] = [mergeTokens(token, known), mergeTokens(known, token)]
  if (hex(encodeToken(a)) !== hex(encodeToken(b))) throw new Finding('merging depends on the order')
  const again = mergeTokens(a, token)
  if (hex(encodeToken(again)) !== hex(encodeToken(a))) throw new Finding('merging twice differs')
}
