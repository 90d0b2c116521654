import type { DescMethod } from '@bufbuild/protobuf'
import { type CallOptions, Client, credentials, Metadata, type ServiceError } from '@grpc/grpc-js'
import { statusName } from '@perigee/core'
import {
  CacheService,
  ClusterService,
  Health,
  PeerService,
  SearchService,
  SemanticCacheService,
} from '@perigee/protocol'
import type { Callers } from './callers.ts'
import type { Draw } from './draw.ts'
import { DEFECTS, Finding, type Fuzzer, hex } from './fuzzer.ts'
import { CANARY, drawnBytes, hintsFor } from './hints.ts'
import { MessageDraw } from './message-draw.ts'
import { mutated } from './mutation.ts'
import type { Stage } from './stage.ts'

const DEADLINE_MS = 2_000
/** How much of a stream is read. */
const STREAM_MS = 300

/** Those that do most come twice. */
const METHODS: readonly DescMethod[] = [
  ...[
    CacheService,
    SearchService,
    CacheService,
    SearchService,
    ClusterService,
    SemanticCacheService,
    PeerService,
    Health,
  ].flatMap(({ methods }) => methods),
]

const asItIs = (bytes: Buffer): Buffer => bytes

/**
 * Every RPC but the Multiplex stream: messages by their descriptors, some with damaged bytes, to either region, by callers of
 * all kinds. A tenant never hears of another's.
 */
export class RpcFuzzer implements Fuzzer {
  readonly lanes = 8
  readonly #clients: readonly Client[]
  readonly #callers: Callers
  readonly #messages: MessageDraw

  constructor(stage: Stage) {
    this.#clients = stage.addresses.map((address) => new Client(address, credentials.createInsecure()))
    this.#callers = stage.callers
    this.#messages = new MessageDraw(hintsFor(stage.token))
  }

  async run(draw: Draw, note: (input: string) => void): Promise<string> {
    const method = draw.pick(METHODS)
    const valid = drawnBytes(method.input, this.#messages, draw)
    const bytes = draw.chance(0.2) ? mutated(valid, draw) : valid
    const path = `/${method.parent.typeName}/${method.name}`
    const caller = this.#callers.drawn(draw)
    note(`${path} ${hex(bytes)}${caller.seesAll ? '' : ', by a tenant'}`)
    const metadata = new Metadata()
    if (caller.token !== undefined) metadata.set('authorization', `Bearer ${caller.token}`)
    const client = draw.pick(this.#clients)
    const status = await call(client, { method, path, metadata, bytes: Buffer.from(bytes) })
    if (DEFECTS.has(status.name)) throw new Finding(`${status.name}: ${status.details}`)
    if (!caller.seesAll && status.told.includes(CANARY)) {
      throw new Finding(`a tenant is told of what is another's: ${status.name} ${status.details}`)
    }
    return status.name
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const client of this.#clients) client.close()
  }
}

interface Status {
  readonly name: string
  readonly details: string
  /** All that the caller was told. */
  readonly told: string
}

interface Call {
  readonly method: DescMethod
  readonly path: string
  readonly metadata: Metadata
  readonly bytes: Buffer
}

function call(client: Client, { method, path, metadata, bytes }: Call): Promise<Status> {
  const options: CallOptions = { deadline: Date.now() + DEADLINE_MS }
  return new Promise((resolve) => {
    const answers: Buffer[] = []
    const end = ({ code, details }: Pick<ServiceError, 'code' | 'details'>) => {
      const told = `${Buffer.concat(answers).toString('latin1')} ${details}`
      resolve({ name: statusName(code), details, told })
    }
    if (method.methodKind === 'unary') {
      client.makeUnaryRequest(path, asItIs, asItIs, bytes, metadata, options, (error, answer) => {
        if (answer) answers.push(answer)
        end(error ?? { code: 0, details: '' })
      })
      return
    }
    const stream = client.makeServerStreamRequest(path, asItIs, asItIs, bytes, metadata, options)
    const enough = setTimeout(() => stream.cancel(), STREAM_MS)
    stream.on('data', (answer: Buffer) => answers.push(answer))
    stream.on('error', () => {})
    stream.on('status', (status) => {
      clearTimeout(enough)
      end(status)
    })
  })
}
