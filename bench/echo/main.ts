// A bare grpc-js server with the cache's messages and nothing behind them: the floor of unary gRPC. Ends with its parent.

import { create } from '@bufbuild/protobuf'
import { timestampFromMs } from '@bufbuild/protobuf/wkt'
import { Server, ServerCredentials, status } from '@grpc/grpc-js'
import {
  CacheService,
  type GetRequest,
  GetResponseSchema,
  type GrpcServiceHandlers,
  grpcServiceDefinition,
} from '@perigee/protocol'
import { KEYS, keyOf, valueFor } from '../input/value.ts'

const values = new Map(Array.from({ length: KEYS }, (_, n) => [keyOf(n), valueFor(n)]))
/** As long as a real one. */
const token = new Uint8Array(24).fill(7)

/** The message that a sidecar would answer. */
function answerTo({ key }: GetRequest) {
  const value = values.get(key)
  if (!value) return undefined
  return create(GetResponseSchema, {
    entry: {
      key,
      value,
      contentType: 'application/octet-stream',
      version: '1763848912345002-1042',
      writtenAt: timestampFromMs(Date.now()),
    },
    receipt: { region: 'us-east-1', sessionToken: token },
  })
}

const handlers: Pick<GrpcServiceHandlers<typeof CacheService.method>, 'get'> = {
  get: ({ request }, callback) => {
    const answer = answerTo(request)
    if (answer) callback(null, answer)
    else callback({ code: status.NOT_FOUND, details: 'not one of the keys' })
  },
}

const { get } = grpcServiceDefinition(CacheService)
const server = new Server()
server.addService({ get }, handlers)
process.on('disconnect', () => process.exit())
server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, port) => {
  if (error) throw error
  process.send?.(`127.0.0.1:${port}`)
})
