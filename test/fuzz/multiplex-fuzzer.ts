import { create, toBinary } from '@bufbuild/protobuf'
import { statusName } from '@perigee/core'
import {
  type Call,
  CallSchema,
  type MultiplexRequest,
  MultiplexRequestSchema,
  type Reply,
  ReplySchema,
} from '@perigee/protocol'
import { MultiplexClient } from '../support/multiplex-client.ts'
import type { Draw } from './draw.ts'
import { DEFECTS, Finding, type Fuzzer, hex } from './fuzzer.ts'
import { CANARY, drawnToken, hintsFor } from './hints.ts'
import { MessageDraw } from './message-draw.ts'
import { mutated } from './mutation.ts'
import type { Stage } from './stage.ts'

const ANSWER_MS = 12_000
const CALLS_MAX = 8
/** What became of a case whose stream ended by it. */
const ENDED = 'stream '
/** Ids of calls that are asked after; damaged frames rarely come upon them. */
const OWN_IDS = 3_000_000_000

/** The Multiplex stream: frames of several calls, some frames with damaged bytes. Each sound call is answered once. */
export class MultiplexFuzzer implements Fuzzer {
  readonly lanes = 4
  readonly #stage: Stage
  readonly #messages: MessageDraw
  /** Streams that no case uses now. */
  readonly #free: MultiplexClient[] = []
  /** Streams of those who may not see what is another's. */
  readonly #bounded = new WeakSet<MultiplexClient>()
  #id = OWN_IDS

  constructor(stage: Stage) {
    this.#stage = stage
    this.#messages = new MessageDraw(hintsFor(stage.token))
  }

  async run(draw: Draw, note: (input: string) => void): Promise<string> {
    const stream = this.#take(draw)
    try {
      const outcome = await this.#throwAt(stream, draw, note)
      if (outcome.startsWith(ENDED)) stream.close()
      else this.#free.push(stream)
      return outcome
    } catch (error) {
      stream.close()
      throw error
    }
  }

  async #throwAt(stream: MultiplexClient, draw: Draw, note: (input: string) => void): Promise<string> {
    const frame = this.#frame(draw)
    const bytes = toBinary(MultiplexRequestSchema, frame)
    if (draw.chance(0.3)) return this.#throwDamagedAt(stream, mutated(bytes, draw), note)
    note(hex(bytes))
    const replies = frame.calls.map(({ id }) => stream.reply(id))
    stream.writeBytes(bytes)
    if (draw.chance(0.1)) stream.post({ cancels: frame.calls.map(({ id }) => id) })
    const all = await this.#before(stream, Promise.all(replies))
    if (typeof all === 'string') return all
    for (const reply of all) this.#judge(reply, stream)
    return all.length === 0 ? 'empty' : statusOf(all[0] as Reply)
  }

  /** A frame with damaged bytes, and a call after it: that is answered, or the stream has ended with a status. */
  async #throwDamagedAt(
    stream: MultiplexClient,
    bytes: Uint8Array,
    note: (input: string) => void,
  ): Promise<string> {
    note(hex(bytes))
    stream.writeBytes(bytes)
    const call = create(CallSchema, { id: this.#nextId(), request: { case: 'get', value: {} } })
    const [reply] = stream.send({ calls: [call] })
    const answered = await this.#before(stream, reply as Promise<Reply>)
    if (typeof answered === 'string') return answered
    this.#judge(answered, stream)
    return 'passed over'
  }

  #judge(reply: Reply, stream: MultiplexClient): void {
    demandNoDefect(reply)
    const told = Buffer.from(toBinary(ReplySchema, reply)).toString('latin1')
    if (this.#bounded.has(stream) && told.includes(CANARY)) {
      throw new Finding(`call ${reply.id}: a tenant is told of what is another's`)
    }
  }

  /** What is waited for, or the status with which the stream ended before it came. */
  async #before<T>(stream: MultiplexClient, awaited: Promise<T>): Promise<T | string> {
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Finding(`no answer within ${ANSWER_MS} ms`)), ANSWER_MS)
    })
    try {
      const ended = stream.ended.then(({ status, message }) => {
        if (DEFECTS.has(status)) throw new Finding(`the stream ended: ${status} ${message}`)
        return `${ENDED}${status}`
      })
      return await Promise.race([awaited, ended, late])
    } finally {
      clearTimeout(timer)
    }
  }

  #frame(draw: Draw): MultiplexRequest {
    const calls = Array.from({ length: draw.below(CALLS_MAX + 1) }, () => this.#call(draw))
    const sessionTokens = [drawnToken(this.#stage.token, draw), drawnToken(this.#stage.token, draw)]
    const cancels = Array.from({ length: draw.below(3) }, () => draw.below(100))
    return create(MultiplexRequestSchema, { calls, cancels, sessionTokens })
  }

  #call(draw: Draw): Call {
    const call = this.#messages.message(CallSchema, draw, draw.chance(0.8)) as Call
    call.id = this.#nextId()
    call.timeoutMs = Math.min(call.timeoutMs || 2000, 5000)
    return call
  }

  #nextId(): number {
    this.#id = this.#id >= 2 ** 32 - 2 ? OWN_IDS : this.#id + 1
    return this.#id
  }

  /** Now and then a new stream, another region, and another caller. */
  #take(draw: Draw): MultiplexClient {
    const address = draw.pick(this.#stage.addresses)
    const free = this.#free.pop()
    if (free && !draw.chance(0.05)) return free
    free?.close()
    const { token, seesAll } = this.#stage.callers.drawn(draw)
    const stream = new MultiplexClient(address, {}, token)
    if (!seesAll) this.#bounded.add(stream)
    return stream
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const stream of this.#free) stream.close()
  }
}

function statusOf({ result }: Reply): string {
  return result.case === 'error' ? statusName(result.value.code) : 'OK'
}

function demandNoDefect(reply: Reply): void {
  const status = statusOf(reply)
  if (!DEFECTS.has(status)) return
  const { result } = reply
  throw new Finding(`call ${reply.id}: ${status} ${result.case === 'error' ? result.value.message : ''}`)
}
