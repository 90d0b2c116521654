import { create, type DescMethod, fromBinary, type Message } from '@bufbuild/protobuf'
import { Metadata, type ServerDuplexStream } from '@grpc/grpc-js'
import { STATUS } from '@perigee/core'
import {
  CacheService,
  type Call,
  encodeStatusDetails,
  type MultiplexRequest,
  MultiplexResponseSchema,
  type Reply,
  ReplySchema,
  SearchService,
  SemanticCacheService,
  STATUS_DETAILS_KEY,
} from '@perigee/protocol'
import { BrokenOff, type Refusal, refusalOf } from './refusal.ts'

type Stream = ServerDuplexStream<MultiplexRequest, Message>
type Result = NonNullable<Reply['result']>

const METHODS = new Map(
  [CacheService, SearchService, SemanticCacheService].flatMap(({ methods }) =>
    methods.map((method): [string, DescMethod] => [method.localName, method]),
  ),
)
const StatusSchema = ReplySchema.field.error.message as NonNullable<typeof ReplySchema.field.error.message>

/** After its deadline a call is answered so much later, so that it is the client's word which counts. */
const SLACK_MS = 50

/** Multiplex by protobuf-es alone, so that the client is held against the contract and not against its own codec. */
export class SmallMultiplex {
  /** Frames as they came. */
  readonly frames: MultiplexRequest[] = []
  /** What every new stream is answered with, before anything of it is read. */
  refusal: Refusal | undefined
  readonly #respond: (method: DescMethod, request: Message) => Promise<Message>
  readonly #streams = new Set<SmallStream>()

  /** @param respond answers a call, or throws a Refusal. */
  constructor(respond: (method: DescMethod, request: Message) => Promise<Message>) {
    this.#respond = respond
  }

  /** Streams that are open. */
  get streams(): number {
    return this.#streams.size
  }

  /** The calls that came. */
  get calls(): readonly Call[] {
    return this.frames.flatMap(({ calls }) => calls)
  }

  serve(call: Stream): void {
    if (this.refusal) {
      const { code, message, status } = refusalOf(this.refusal)
      const metadata = new Metadata()
      if (status) metadata.set(STATUS_DETAILS_KEY, Buffer.from(status))
      call.emit('error', { code, details: message, metadata })
      return
    }
    const stream = new SmallStream(call, this.#respond, () => this.#streams.delete(stream))
    this.#streams.add(stream)
    call.on('data', (frame: MultiplexRequest) => {
      this.frames.push(frame)
      stream.read(frame)
    })
  }

  /** Takes no more calls on the streams there are, and ends them when those under way are answered. */
  drain(): void {
    for (const stream of this.#streams) stream.drain()
  }

  /** Breaks all streams off. */
  breakOff(code: number = STATUS.INTERNAL): void {
    for (const stream of this.#streams) stream.fail(code)
  }

  /** Reads nothing more, or goes on. */
  pause(paused: boolean): void {
    for (const stream of this.#streams) stream.pause(paused)
  }
}

/** One stream: each call is answered once. */
class SmallStream {
  readonly #call: Stream
  readonly #respond: (method: DescMethod, request: Message) => Promise<Message>
  readonly #inFlight = new Map<number, NodeJS.Timeout>()
  #replies: Reply[] = []
  #draining = false
  #over = false

  constructor(
    call: Stream,
    respond: (method: DescMethod, request: Message) => Promise<Message>,
    over: () => void,
  ) {
    this.#call = call
    this.#respond = respond
    call.on('cancelled', over)
    call.on('end', () => {
      over()
      call.end()
    })
  }

  read({ calls, cancels, sessionTokens }: MultiplexRequest): void {
    if (this.#over) return
    for (const call of calls) void this.#take(call, sessionTokens)
    for (const id of cancels) this.#refuse(id, STATUS.CANCELLED, 'given up')
  }

  drain(): void {
    this.#draining = true
    this.#call.write(create(MultiplexResponseSchema, { draining: true }))
    this.#endIfDone()
  }

  fail(code: number, details = 'broken off by the test'): void {
    this.#call.emit('error', { code, details })
  }

  pause(paused: boolean): void {
    if (paused) this.#call.pause()
    else this.#call.resume()
  }

  async #take({ id, timeoutMs, session, request }: Call, tokens: readonly Uint8Array[]): Promise<void> {
    if (this.#inFlight.has(id)) return this.fail(STATUS.INVALID_ARGUMENT)
    const late = () => this.#refuse(id, STATUS.DEADLINE_EXCEEDED, 'too late')
    this.#inFlight.set(id, setTimeout(late, Math.min((timeoutMs || 5_000) + SLACK_MS, 2 ** 31 - 1)))
    const method = METHODS.get(request.case ?? '')
    if (this.#draining) return this.#refuse(id, STATUS.UNAVAILABLE, 'nothing was done')
    if (!method || !request.case || session > tokens.length)
      return this.#refuse(id, STATUS.INVALID_ARGUMENT, 'no such call')
    try {
      const { options } = request.value
      if (session > 0) {
        const sessionToken = tokens[session - 1] as Uint8Array
        if (!options || options.sessionToken.length > 0) throw new Error('two tokens, or no options')
        options.sessionToken = sessionToken
      }
      const value = await this.#respond(method, request.value)
      this.#reply(id, { case: request.case, value } as Result)
    } catch (error) {
      if (error instanceof BrokenOff) return this.fail(error.code, error.message)
      const { code, message, status } = refusalOf(error)
      this.#refuse(id, code, message, status)
    }
  }

  #refuse(id: number, code: number, message: string, status = encodeStatusDetails(code, message, {})): void {
    this.#reply(id, { case: 'error', value: fromBinary(StatusSchema, status) } as Result)
  }

  #reply(id: number, result: Result): void {
    if (!this.#inFlight.has(id)) return
    clearTimeout(this.#inFlight.get(id))
    this.#inFlight.delete(id)
    this.#replies.push(create(ReplySchema, { id, result: result as never }))
    if (this.#replies.length === 1) setImmediate(() => this.#flush())
  }

  #flush(): void {
    this.#call.write(create(MultiplexResponseSchema, { replies: this.#replies }))
    this.#replies = []
    this.#endIfDone()
  }

  #endIfDone(): void {
    if (!this.#draining || this.#inFlight.size > 0 || this.#replies.length > 0) return
    this.#over = true
    this.#call.end()
  }
}
