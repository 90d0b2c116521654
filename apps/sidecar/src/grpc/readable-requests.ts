import {
  type Server,
  type ServiceDefinition,
  status,
  type UntypedHandleCall,
  type UntypedServiceImplementation,
} from '@grpc/grpc-js'

/** Bytes that aren't a message of the method's type. To a handler that reads a stream of requests it is an empty one. */
const UNREADABLE = Object.freeze({})

const REFUSAL = {
  code: status.INVALID_ARGUMENT,
  details: "The request can't be read as a message of this method; send one that is well-formed.",
}

interface OneRequest {
  readonly request: unknown
  emit(event: 'error', error: typeof REFUSAL): unknown
}

type Handler = (call: OneRequest, callback?: (error: typeof REFUSAL) => void) => unknown

/**
 * Registers services that others have made, so that a request which can't be read is refused as INVALID_ARGUMENT: left to
 * itself grpc-js answers INTERNAL, as if the fault were the server's.
 */
export function refusingUnreadable(server: Pick<Server, 'addService'>): Pick<Server, 'addService'> {
  return {
    addService: (definition, implementation) =>
      server.addService(reading(definition), refusing(implementation)),
  }
}

function reading(definition: ServiceDefinition): ServiceDefinition {
  const methods = Object.entries(definition).map(([name, method]) => {
    const requestDeserialize = (bytes: Buffer): unknown => {
      try {
        return method.requestDeserialize(bytes)
      } catch {
        return UNREADABLE
      }
    }
    return [name, { ...method, requestDeserialize }]
  })
  return Object.fromEntries(methods)
}

function refusing(implementation: UntypedServiceImplementation): UntypedServiceImplementation {
  const handlers = Object.entries(implementation).map(([name, handler]) => {
    const handle = handler as unknown as Handler
    const refuse: Handler = (call, callback) => {
      if (call.request !== UNREADABLE) return handle(call, callback)
      return callback ? callback(REFUSAL) : call.emit('error', REFUSAL)
    }
    return [name, refuse as unknown as UntypedHandleCall]
  })
  return Object.fromEntries(handlers)
}
