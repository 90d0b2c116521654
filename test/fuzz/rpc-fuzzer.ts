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
import type { Draw } from './draw.ts'
import { DEFECTS, Finding, type Fuzzer, hex } from './fuzzer.ts'
import { drawnBytes, hintsFor } from './hints.ts'
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

/** Every RPC but the Multiplex stream: messages by their descriptors, some with damaged bytes, to either region. */
export class RpcFuzzer implements Fuzzer {
  readonly lanes = 8
  readonly #clients: readonly Client[]
  readonly #messages: MessageDraw

  constructor(stage: Stage) {
    this.#clients = stage.addresses.map((address) => new Client(address, credentials.createInsecure()))
    this.#messages = new MessageDraw(hintsFor(stage.token))
  }

  async run(draw: Draw, note: (input: string) => void): Promise<string> {
    const method = draw.pick(METHODS)
    const valid = drawnBytes(method.input, this.#messages, draw)
    const bytes = draw.chance(0.2) ? mutated(valid, draw) : valid
    const path = `/${method.parent.typeName}/${method.name}`
    note(`${path} ${hex(bytes)}`)
    const status = await call(draw.pick(this.#clients), method, path, Buffer.from(bytes))
    if (DEFECTS.has(status.name)) throw new Finding(`${status.name}: ${status.details}`)
    return status.name
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const client of this.#clients) client.close()
  }
}

interface Status {
  readonly name: string
  readonly details: string
}

function call(client: Client, method: DescMethod, path: string, bytes: Buffer): Promise<Status> {
  const options: CallOptions = { deadline: Date.now() + DEADLINE_MS }
  return new Promise((resolve) => {
    const end = ({ code, details }: Pick<ServiceError, 'code' | 'details'>) =>
      resolve({ name: statusName(code), details })
    if (method.methodKind === 'unary') {
      client.makeUnaryRequest(path, asItIs, asItIs, bytes, new Metadata(), options, (error) =>
        end(error ?? { code: 0, details: '' }),
      )
      return
    }
    const stream = client.makeServerStreamRequest(path, asItIs, asItIs, bytes, new Metadata(), options)
    const enough = setTimeout(() => stream.cancel(), STREAM_MS)
    stream.on('data', () => {})
    stream.on('error', () => {})
    stream.on('status', (status) => {
      clearTimeout(enough)
      end(status)
    })
  })
}
