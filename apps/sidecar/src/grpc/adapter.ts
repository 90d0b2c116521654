import type { DescMethod } from '@bufbuild/protobuf'
import type { Logger } from 'pino'
import type { Access } from '../security/access.ts'
import type { CallGate } from './call-gate.ts'
import type { CallObserver } from './call-observer.ts'
import type { OpenFrameStreams } from './frames-adapter.ts'
import type { IncomingCall } from './incoming-call.ts'
import type { PauseWatch } from './pause-watch.ts'
import type { Connections } from './traffic/connections.ts'
import type { Rates } from './traffic/rates.ts'

/** What all adapters from our handlers to grpc-js's share. */
export interface AdapterContext {
  readonly log: Logger
  readonly gate: CallGate
  readonly observer: CallObserver
  readonly connections: Connections
  /** How many calls a principal may make; none: as many as it likes. */
  readonly rates: Rates | undefined
  readonly access: Access
  /** Calls without a deadline get this one, milliseconds from their arrival. */
  readonly unaryDeadlineMs: number
  readonly pauses: PauseWatch
  /** Unary calls in flight, which a drain lets finish. */
  readonly calls: Set<IncomingCall>
  /** Streams, which a drain ends. */
  readonly streams: Set<IncomingCall>
  /** Two-way streams of frames, which a drain lets finish what they have taken. */
  readonly frames: OpenFrameStreams
  /** Refuses what no handler may see. Throws a StatusError. */
  checkRequest(method: DescMethod, request: unknown): void
}
