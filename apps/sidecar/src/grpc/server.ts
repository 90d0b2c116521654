import { setTimeout as delay } from 'node:timers/promises'
import type { DescMethod, DescService, Message } from '@bufbuild/protobuf'
import type { GenService, GenServiceMethods } from '@bufbuild/protobuf/codegenv2'
import {
  type MethodDefinition,
  Server,
  type ServiceDefinition,
  type UntypedServiceImplementation,
} from '@grpc/grpc-js'
import type { Limits } from '@perigee/core'
import { grpcServiceDefinition } from '@perigee/protocol'
import type { Logger } from 'pino'
import { type Access, OPEN_ACCESS } from '../security/access.ts'
import { checkMessage } from '../services/validation/message-walk.ts'
import { StatusError } from '../status-error.ts'
import type { TlsFiles } from '../tls/tls-files.ts'
import type { AdapterContext } from './adapter.ts'
import {
  type Handler,
  methodName,
  type ServiceRegistration,
  type StreamHandler,
  type UnaryHandler,
} from './call.ts'
import { CallGate } from './call-gate.ts'
import type { CallObserver } from './call-observer.ts'
import { FORWARDING_BYTES } from './forwarding-bytes.ts'
import { adaptFrames, type FramesHandler, OpenFrameStreams } from './frames-adapter.ts'
import { Health } from './health.ts'
import type { IncomingCall } from './incoming-call.ts'
import { forKnownCallers } from './known-callers.ts'
import { notYet } from './not-yet.ts'
import { PauseWatch } from './pause-watch.ts'
import { addReflection, REFLECTION_PATHS } from './reflection.ts'
import { OversizedRequest, requestDecoder, UnreadableRequest } from './request-bytes.ts'
import { serverCredentials } from './server-credentials.ts'
import { adaptServerStream } from './stream-adapter.ts'
import { Connections } from './traffic/connections.ts'
import { Rates } from './traffic/rates.ts'
import { DEFAULT_TRAFFIC_LIMITS, type TrafficLimits } from './traffic/traffic-limits.ts'
import { adaptUnary } from './unary-adapter.ts'

/** Unary answers are encoded by their adapter; two-way streams carry frames, which their handlers read and write themselves. */
const asIs = (bytes: Buffer) => bytes

/** How long callers have to take the news that their call was given up. */
const GIVE_UP_MS = 250

/** How a server listens and what it takes. */
export interface GrpcServerOptions {
  /** `host:port`; port 0 takes a free one. */
  readonly listen: string
  readonly limits: Limits
  readonly log: Logger
  /** Default: without TLS. */
  readonly tls?: TlsFiles | undefined
  readonly observer?: CallObserver
  /** Who may do what. Default: everybody everything. */
  readonly access?: Access
  /** Who may ask what the server can do. Default: everybody. */
  readonly reflection?: 'on' | 'off' | 'auth'
  /** For unary calls that bring no deadline. Default 10,000. */
  readonly unaryDeadlineMs?: number
  /** How often an idle connection is pinged. Default 30,000. */
  readonly keepaliveMs?: number
  /** How long a ping may go unanswered before the connection is closed. Default 10,000. */
  readonly keepaliveTimeoutMs?: number
  /** What it takes from the network. Default: {@link DEFAULT_TRAFFIC_LIMITS}. */
  readonly traffic?: TrafficLimits
}

/**
 * The gRPC server: public services, the peers' service, health and reflection. Its order of life: `add` all services,
 * `start`, `drain`.
 */
export class GrpcServer {
  /** Says whether the services serve; everything is NOT_SERVING until set. */
  readonly health = new Health()
  readonly #server: Server
  readonly #options: GrpcServerOptions
  readonly #gate: CallGate
  readonly #calls = new Set<IncomingCall>()
  readonly #streams = new Set<IncomingCall>()
  readonly #frames = new OpenFrameStreams()
  readonly #services: DescService[] = []
  readonly #pauses = new PauseWatch()
  readonly #lastingPaths = new Set(REFLECTION_PATHS)
  readonly #connections: Connections
  readonly #rates: Rates | undefined
  #draining: Promise<void> | undefined

  constructor(options: GrpcServerOptions) {
    this.#options = options
    const traffic = options.traffic ?? DEFAULT_TRAFFIC_LIMITS
    const { callsInFlightMax } = options.limits
    this.#gate = new CallGate(callsInFlightMax, traffic.callsPerPeerMax || Math.ceil(callsInFlightMax * 0.9))
    this.#rates = Rates.of(traffic)
    this.#connections = new Connections({
      ...{ limits: traffic, messageBytesMax: options.limits.messageBytesMax + FORWARDING_BYTES },
      ...{ lastingPaths: this.#lastingPaths, log: options.log },
    })
    this.#server = new Server({
      'grpc.max_receive_message_length': options.limits.messageBytesMax + FORWARDING_BYTES,
      'grpc.max_send_message_length': -1,
      'grpc.keepalive_time_ms': options.keepaliveMs ?? 30_000,
      'grpc.keepalive_timeout_ms': options.keepaliveTimeoutMs ?? 10_000,
      'grpc.max_connection_idle_ms': traffic.connectionIdleMs,
      'grpc.enable_channelz': 0,
      interceptors: [this.#connections.interceptor],
      ...(traffic.connectionAgeMs > 0 && {
        'grpc.max_connection_age_ms': traffic.connectionAgeMs,
        'grpc.max_connection_age_grace_ms': traffic.connectionAgeGraceMs,
      }),
    })
  }

  /** Calls being answered at this moment. */
  get callsInFlight(): number {
    return this.#gate.inFlight
  }

  /** Connections, and what their callers make the sidecar keep. */
  get connections(): Pick<Connections, 'size' | 'bytesInFlight'> {
    return this.#connections
  }

  /** Registers a service. Its methods without a handler answer UNIMPLEMENTED, NOT_YET. */
  add(registration: ServiceRegistration): void {
    const { service, handlers } = registration
    const implementation: UntypedServiceImplementation = {}
    for (const method of service.methods) {
      implementation[method.localName] = this.#adapt(method, handlers[method.localName])
      if (method.methodKind === 'bidi_streaming') this.#lastingPaths.add(`/${methodName(method)}`)
    }
    this.#server.addService(this.#definition(service), implementation)
    this.#services.push(service)
  }

  /**
   * Listens.
   *
   * @returns the port.
   * @throws when the address can't be bound.
   */
  async start(): Promise<number> {
    this.#pauses.start()
    const { log, access = OPEN_ACCESS, reflection = 'on' } = this.#options
    this.health.addToServer(this.#server, { access, log })
    if (reflection !== 'off') {
      const guarded: Pick<Server, 'addService'> = {
        addService: (definition, implementation) =>
          this.#server.addService(definition, forKnownCallers(implementation, { access, log })),
      }
      addReflection(
        reflection === 'auth' ? guarded : this.#server,
        this.#services.map((service) => service.file),
      )
    }
    return new Promise((resolve, reject) => {
      this.#server.bindAsync(this.#options.listen, serverCredentials(this.#options.tls), (error, port) => {
        if (error) return reject(error)
        this.#connections.start(this.#server)
        resolve(port)
      })
    })
  }

  /**
   * Says NOT_SERVING, and after `delayMs`, in which whoever watches its health goes elsewhere, takes no more connections,
   * ends streams with UNAVAILABLE, lets unary calls and those on streams of frames finish, and gives up what is left after
   * `boundMs`.
   */
  drain(boundMs: number, delayMs = 0): Promise<void> {
    this.#draining ??= this.#drain(boundMs, delayMs).finally(() => this.#pauses.stop())
    return this.#draining
  }

  async #drain(boundMs: number, delayMs: number): Promise<void> {
    this.health.drain()
    if (this.health.watched) await delay(delayMs)
    const closed = new Promise<void>((resolve) => this.#server.tryShutdown(() => resolve()))
    const away = new StatusError('UNAVAILABLE', 'This sidecar is shutting down; ask another.')
    for (const stream of this.#streams) stream.abort(away)
    this.#frames.drain()
    this.health.endWatches()
    if (await settles(closed, boundMs)) return this.#connections.stop()
    this.#options.log.warn(
      { calls: this.#gate.inFlight },
      'drain took too long, remaining calls are given up',
    )
    for (const call of this.#calls) call.abort(away)
    this.#frames.abort(away)
    // Whoever doesn't take even that has lost its connection without our knowing.
    if (!(await settles(closed, GIVE_UP_MS))) this.#server.forceShutdown()
    this.#connections.stop()
  }

  #definition(service: GenService<GenServiceMethods>): ServiceDefinition {
    const bytesMax = this.#options.limits.messageBytesMax
    const roomy = service.typeName.startsWith('perigee.internal.')
    return Object.fromEntries(
      Object.entries(grpcServiceDefinition(service)).map(([name, definition]) => {
        const { input, methodKind } = service.method[name] as DescMethod
        const decoder = requestDecoder(input, roomy ? bytesMax + FORWARDING_BYTES : bytesMax)
        const read = methodKind === 'bidi_streaming' ? asIs : decoder
        const write = methodKind === 'server_streaming' ? {} : { responseSerialize: asIs }
        return [
          name,
          { ...(definition as MethodDefinition<Message, Message>), requestDeserialize: read, ...write },
        ]
      }),
    ) as ServiceDefinition
  }

  #adapt(method: DescMethod, handler: Handler | undefined): UntypedServiceImplementation[string] {
    const refuse = () => {
      throw notYet(method)
    }
    switch (method.methodKind) {
      case 'unary':
        return adaptUnary(method, (handler as UnaryHandler<never, unknown>) ?? refuse, this.#context)
      case 'server_streaming':
        return adaptServerStream(method, (handler as StreamHandler<never, unknown>) ?? refuse, this.#context)
      default:
        return adaptFrames(method, (handler as FramesHandler) ?? refuse, this.#context)
    }
  }

  get #context(): AdapterContext {
    const { log, observer, access, unaryDeadlineMs } = this.#options
    return {
      log,
      gate: this.#gate,
      connections: this.#connections,
      rates: this.#rates,
      observer: observer ?? { callEnded: () => {} },
      access: access ?? OPEN_ACCESS,
      unaryDeadlineMs: unaryDeadlineMs ?? 10_000,
      calls: this.#calls,
      streams: this.#streams,
      frames: this.#frames,
      checkRequest,
      pauses: this.#pauses,
    }
  }
}

function checkRequest(method: DescMethod, request: unknown): void {
  if (request instanceof OversizedRequest || request instanceof UnreadableRequest) throw request.error()
  checkMessage(method.input, request as Message)
}

/** Whether a promise settles in time. */
async function settles(promise: Promise<void>, timeoutMs: number): Promise<boolean> {
  const abort = new AbortController()
  const late = delay(timeoutMs, false, { signal: abort.signal }).catch(() => false)
  const inTime = await Promise.race([promise.then(() => true), late])
  abort.abort()
  return inTime
}
