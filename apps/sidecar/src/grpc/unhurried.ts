import type { ServerDuplexStream, UntypedServiceImplementation } from '@grpc/grpc-js'

type Duplex = ServerDuplexStream<unknown, unknown>

/** Handlers that answer each message of a two-way stream as it comes: no more are read while the answers aren't taken. */
export function unhurried(implementation: UntypedServiceImplementation): UntypedServiceImplementation {
  return Object.fromEntries(
    Object.entries(implementation).map(([name, handler]) => {
      const answer = handler as (call: Duplex) => void
      return [name, (call: Duplex) => answer(heldBack(call))]
    }),
  )
}

function heldBack(call: Duplex): Duplex {
  return call.on('data', () => {
    if (!call.writableNeedDrain) return
    call.pause()
    call.once('drain', () => call.resume())
  })
}
