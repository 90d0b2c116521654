import {
  Client,
  credentials,
  Metadata,
  Server,
  ServerCredentials,
  type ServiceError,
  status,
} from '@grpc/grpc-js'
import { HealthImplementation } from 'grpc-health-check'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { refusingUnreadable } from './readable-requests.ts'
import { addReflection } from './reflection.ts'

const server = new Server()
let client: Client
beforeAll(async () => {
  new HealthImplementation({ '': 'SERVING' }).addToServer(refusingUnreadable(server) as Server)
  addReflection(server, [])
  const port = await new Promise<number>((resolve, reject) => {
    const bound = (error: Error | null, at: number) => (error ? reject(error) : resolve(at))
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), bound)
  })
  client = new Client(`127.0.0.1:${port}`, credentials.createInsecure())
})
afterAll(() => {
  client.close()
  server.forceShutdown()
})

const asItIs = (bytes: Buffer) => bytes
/** The beginning of a field, and no more. */
const GARBAGE = Buffer.from([0xbf, 0xdd])

function unary(path: string, bytes: Buffer): Promise<number> {
  return new Promise((resolve) => {
    const ended = (error: ServiceError | null) => resolve(error?.code ?? status.OK)
    client.makeUnaryRequest(
      path,
      asItIs,
      asItIs,
      bytes,
      new Metadata(),
      { deadline: Date.now() + 5000 },
      ended,
    )
  })
}

it('a request that can’t be read is the caller’s fault, and the next one is answered', async () => {
  for (const path of ['/grpc.health.v1.Health/Check', '/grpc.health.v1.Health/List']) {
    expect(await unary(path, GARBAGE)).toBe(status.INVALID_ARGUMENT)
    expect(await unary(path, Buffer.alloc(0))).toBe(status.OK)
  }
})

it('as is one of a stream of answers', async () => {
  const stream = client.makeServerStreamRequest('/grpc.health.v1.Health/Watch', asItIs, asItIs, GARBAGE)
  const code = await new Promise((resolve) => {
    stream.on('data', () => {})
    stream.on('error', (error: ServiceError) => resolve(error.code))
  })
  expect(code).toBe(status.INVALID_ARGUMENT)
})

it('in a stream of requests it is answered as an empty one, and the stream goes on', async () => {
  const path = '/grpc.reflection.v1.ServerReflection/ServerReflectionInfo'
  const stream = client.makeBidiStreamRequest<Buffer, Buffer>(path, asItIs, asItIs)
  const answers: Buffer[] = []
  const ended = new Promise<number>((resolve) => {
    stream.on('data', (answer: Buffer) => answers.push(answer))
    stream.on('error', () => {})
    stream.on('status', ({ code }) => resolve(code))
  })
  stream.write(GARBAGE)
  // ServerReflectionRequest { list_services: "*" }
  stream.write(Buffer.from([0x3a, 0x01, 0x2a]))
  stream.end()
  expect(await ended).toBe(status.OK)
  expect(answers).toHaveLength(2)
})
