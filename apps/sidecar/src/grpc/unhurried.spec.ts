import { setTimeout as pause } from 'node:timers/promises'
import { Client, credentials, Server, ServerCredentials, type ServerDuplexStream } from '@grpc/grpc-js'
import { expect, it, onTestFinished } from 'vitest'
import { unhurried } from './unhurried.ts'

const asIs = (bytes: Buffer) => bytes
const ECHO = {
  path: '/test/Echo',
  requestStream: true,
  responseStream: true,
  requestSerialize: asIs,
  requestDeserialize: asIs,
  responseSerialize: asIs,
  responseDeserialize: asIs,
}
const MESSAGES = 2000
const ANSWER = Buffer.alloc(20_000)

it('a client that reads nothing is soon not read either, and all is answered once it reads', async () => {
  let read = 0
  const echo = (call: ServerDuplexStream<Buffer, Buffer>) => {
    call.on('data', () => {
      read += 1
      call.write(ANSWER)
    })
    call.on('end', () => call.end())
  }
  const server = new Server()
  server.addService({ echo: ECHO }, unhurried({ echo }))
  const port = await new Promise<number>((resolve, reject) =>
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
      error ? reject(error) : resolve(bound),
    ),
  )
  const client = new Client(`127.0.0.1:${port}`, credentials.createInsecure())
  onTestFinished(() => {
    client.close()
    server.forceShutdown()
  })

  const stream = client.makeBidiStreamRequest<Buffer, Buffer>(ECHO.path, asIs, asIs)
  stream.on('error', () => {})
  let answers = 0
  stream.on('data', () => {
    answers += 1
  })
  stream.pause()
  for (let i = 0; i < MESSAGES; i++) stream.write(Buffer.from([i % 256]))
  stream.end()
  await expect.poll(() => read).toBeGreaterThan(0)
  await pause(1000)
  expect(read).toBeLessThan(MESSAGES / 2)

  stream.resume()
  await expect.poll(() => answers, { timeout: 10_000 }).toBe(MESSAGES)
})
