import { create } from '@bufbuild/protobuf'
import { CacheService, GetRequestSchema, grpcServiceDefinition } from '@perigee/protocol'
import type { OpenSide } from '../driver/side.ts'
import { expectValue, keyOf, NAMESPACE } from '../input/value.ts'
import { looped } from './looped.ts'
import { UnaryClient } from './unary-client.ts'

/** Get by unary gRPC through the sidecar. */
export const openUnaryGet: OpenSide = async ({ grpc }) => unaryGet(grpc)

/** The same messages to a bare echo. */
export const openEchoGet: OpenSide = async ({ echo }) => {
  if (echo === undefined) throw new Error('there is no echo')
  return unaryGet(echo)
}

function unaryGet(address: string) {
  const { get } = grpcServiceDefinition(CacheService)
  const client = new UnaryClient(address)
  return looped(
    async (n) => {
      const request = create(GetRequestSchema, { namespace: NAMESPACE, key: keyOf(n) })
      const { entry } = await client.call(get, request)
      expectValue(entry?.value, n)
    },
    () => client.close(),
  )
}
