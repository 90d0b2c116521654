import type { DescMessage, DescMethod } from '@bufbuild/protobuf'
import { CALL_FIELD, REPLY_FIELD } from '@perigee/protocol'
import { methodName, type ServiceRegistration, type UnaryHandler } from '../grpc/call.ts'
import { notYet } from '../grpc/not-yet.ts'

/** A unary method as a stream answers it. */
export interface MultiplexedMethod {
  /** As unary's: metrics and logs tell no difference. */
  readonly name: string
  readonly method: DescMethod
  readonly handler: UnaryHandler<never, unknown>
  /** What its request's options are, where frames tell its session's token apart. */
  readonly options?: DescMessage
  /** One of REPLY_FIELD. */
  readonly replyField: number
}

/** The methods that calls may ask for, by their number in CALL_FIELD. */
export type MultiplexedMethods = ReadonlyMap<number, MultiplexedMethod>

/** The same handlers as unary's. One that isn't built yet refuses, as it does there. */
export function multiplexedMethods(services: readonly ServiceRegistration[]): MultiplexedMethods {
  const methods = new Map<number, MultiplexedMethod>()
  for (const { service, handlers } of services) {
    for (const method of service.methods) {
      const field = CALL_FIELD[method.localName as keyof typeof CALL_FIELD]
      const options = method.input.field.options?.message
      if (field === undefined || !options) continue
      const refuse = () => {
        throw notYet(method)
      }
      methods.set(field, {
        name: methodName(method),
        method,
        handler: (handlers[method.localName] as UnaryHandler<never, unknown>) ?? refuse,
        options,
        replyField: REPLY_FIELD[method.localName as keyof typeof REPLY_FIELD],
      })
    }
  }
  return methods
}
