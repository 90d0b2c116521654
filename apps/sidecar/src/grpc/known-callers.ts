import type { UntypedServiceImplementation } from '@grpc/grpc-js'
import type { Logger } from 'pino'
import type { Access } from '../security/access.ts'
import { type AuthenticatedCall, GrpcCaller } from './caller.ts'
import { toGrpcStatus } from './error-boundary.ts'

interface OpenCall extends AuthenticatedCall {
  readonly cancelled: boolean
  emit(event: 'error', error: unknown): unknown
}

type Callback = (error: unknown) => void

/** Handlers that others have made, as they are called by whoever is known. */
export function forKnownCallers(
  implementation: UntypedServiceImplementation,
  { access, log }: { access: Access; log: Logger },
): UntypedServiceImplementation {
  const guarded = Object.entries(implementation).map(([name, handler]) => {
    const handle = handler as unknown as (call: OpenCall, callback?: Callback) => void
    const guard = (call: OpenCall, callback?: Callback) => {
      const refuse = (error: unknown) => {
        const told = toGrpcStatus(error, log, name)
        if (callback) callback(told)
        else call.emit('error', told)
      }
      // Until its handler listens, nothing is read of it.
      identified(access, call).then(() => {
        if (!call.cancelled) handle(call, callback)
      }, refuse)
    }
    return [name, guard as unknown as UntypedServiceImplementation[string]]
  })
  return Object.fromEntries(guarded)
}

async function identified(access: Access, call: AuthenticatedCall): Promise<void> {
  await access.identify(new GrpcCaller(call))
}
