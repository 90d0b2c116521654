import { create } from '@bufbuild/protobuf'
import {
  type ExchangeClockRequest,
  type ExchangeClockResponse,
  ExchangeClockResponseSchema,
  PeerService,
  type RegionalIndex,
  WriteProbeRequestSchema,
} from '@perigee/protocol'
import type { Logger } from 'pino'
import type { Config } from '../config.ts'
import type { IndexAudit } from '../follower/index-audit.ts'
import type { RegionalIndexes } from '../follower/regional-indexes.ts'
import type { ServiceRegistration, UnaryHandler } from '../grpc/call.ts'
import type { PeerClient } from '../grpc/peer-client.ts'
import { PeerUnreachable } from '../grpc/peer-error.ts'
import type { GrpcServer } from '../grpc/server.ts'
import { hostNowMs } from '../primary/redis-time.ts'
import type { Writer } from '../primary/writer.ts'
import type { ClockWatch } from '../redis/clock-watch.ts'
import { type RedisConnection, RedisFailure } from '../redis/connection.ts'
import type { Keys } from '../redis/keys.ts'
import { readRedisInfo } from '../redis/redis-info.ts'
import type { TrackedKey, Tracking } from '../redis/tracking.ts'
import type { Access } from '../security/access.ts'
import { HttpGuard } from '../security/http-guard.ts'
import { visibleStatus } from '../security/visible-status.ts'
import { type ClusterServiceOptions, createClusterService } from '../services/cluster-service.ts'
import type { PrimaryRegion } from '../services/primary-region.ts'
import type { TlsFiles } from '../tls/tls-files.ts'
import { unixMsOf } from '../wire-time.ts'
import { ClusterView } from './cluster-view.ts'
import { HealthMonitor } from './health-monitor.ts'
import { HttpServer } from './http-server.ts'
import { LagMeter } from './lag.ts'
import type { ProbeOptions } from './lag-probe.ts'
import { MarkWatch } from './mark-watch.ts'
import type { Metrics } from './metrics.ts'
import type { OtherRegion } from './other-region.ts'
import { OwnRegion } from './own-region.ts'
import { Poll } from './poll.ts'
import { exchangeAnswer, type SkewEstimate } from './skew.ts'
import { VERSION } from './version.ts'

/** How often this region's own status is gathered. */
const STATUS_MS = 500
/** How long a lag probe may take to be written. */
const PROBE_TIMEOUT_MS = 2400
const EXCHANGE_MS = 1000

export interface MonitoringOptions {
  readonly config: Config
  /** Of the HTTP port; none: without TLS. */
  readonly tls: TlsFiles | undefined
  readonly log: Logger
  readonly keys: Keys
  /** The data Redis, for clients' reads: health is whether these are answered. */
  readonly reads: RedisConnection
  /** The data Redis, for what is asked in the background. */
  readonly control: RedisConnection
  /** The data Redis, for asking how it is, also while it loads. */
  readonly info: RedisConnection
  /** Whether the index Redis takes commands. */
  readonly indexRedisUp: () => boolean
  readonly tracking: Tracking
  readonly watch: ClockWatch
  readonly primary: PrimaryRegion
  readonly writer: Writer
  readonly peers: PeerClient
  readonly others: readonly OtherRegion[]
  /** Whether this region may be the primary, but others hold more. */
  readonly regressed: () => boolean
  /** What keeps this region from taking writes though it is to be the primary; empty for nothing. */
  readonly advice: () => string
  readonly skew: SkewEstimate
  readonly metrics: Metrics
  readonly indexes: RegionalIndexes
  readonly audit: IndexAudit
  readonly promote: ClusterServiceOptions['promote']
  readonly access: Access
}

/** All that watches over the sidecar and tells of it: clock estimate, lag, regions, health, metrics, HTTP. */
export class Monitoring {
  readonly view: ClusterView
  readonly lag: LagMeter
  /** `perigee.v1.ClusterService`. */
  readonly clusterService: ServiceRegistration
  readonly #options: MonitoringOptions
  readonly #heartbeats: MarkWatch
  readonly #probes: MarkWatch
  readonly #exchanges: Poll
  readonly #http: HttpServer
  #server: GrpcServer | undefined
  #health: HealthMonitor | undefined

  constructor(options: MonitoringOptions) {
    this.#options = options
    const { config, keys, primary, skew, metrics, watch, indexes } = options
    this.#heartbeats = this.#markWatch('heartbeat', keys.heartbeat)
    this.#probes = this.#markWatch('probe', keys.probe)
    this.lag = new LagMeter({ heartbeats: this.#heartbeats, clock: skew, intervalMs: config.heartbeatMs })
    this.view = new ClusterView({
      own: new OwnRegion({
        ...{ region: config.region, version: VERSION, lag: this.lag, staleAfterMs: config.staleAfterMs },
        claimed: () => primary.isHere,
        regressed: options.regressed,
        advice: options.advice,
        position: () => watch.held,
        info: () => readRedisInfo(options.info),
        isLoading: (error) => error instanceof RedisFailure && error.word === 'LOADING',
        indexes: () => indexes.describeAll(),
        intervalMs: STATUS_MS,
      }),
      others: options.others,
      regions: config.regions,
      primary: () => primary.name,
      nowMs: hostNowMs,
    })
    this.clusterService = createClusterService({
      ...{ view: this.view, clock: skew, probes: this.#probes, indexes, audit: options.audit },
      ...{ promote: options.promote, access: options.access },
      writeProbe: (...probe) => this.#writeProbe(...probe),
    })
    this.#exchanges = new Poll(() => skew.measure(), EXCHANGE_MS)
    this.#http = new HttpServer({
      listen: config.httpListen,
      connectionsMax: config.traffic.httpConnectionsMax,
      tls: options.tls,
      ready: () => this.#server?.health.serves('') ?? false,
      status: (rights) => visibleStatus(this.view.status(), rights),
      guard: config.auth.httpAuth ? new HttpGuard(options.access) : undefined,
      metrics: (request, response) => metrics.answer(request, response),
    })
  }

  /** What this sidecar has heard of the other regions' copies of indexes. */
  get otherRegionsIndexes(): readonly RegionalIndex[] {
    return this.view.others.flatMap((other) => other.status().indexes)
  }

  /** Answers the clock exchanges of other regions' sidecars. @throws StatusError NOT_PRIMARY, NO_PRIMARY */
  readonly exchangeClock: UnaryHandler<ExchangeClockRequest, ExchangeClockResponse> = async () => {
    const { skew, primary } = this.#options
    const receivedAtMs = skew.nowMs()
    if (primary.isElsewhere || !Number.isFinite(skew.uncertaintyMs())) throw primary.notHere()
    return create(ExchangeClockResponseSchema, exchangeAnswer(receivedAtMs, skew))
  }

  /**
   * Starts to watch, and to serve HTTP.
   *
   * @returns the HTTP port.
   * @throws when the address can't be bound.
   */
  async start(server: GrpcServer): Promise<number> {
    const { skew, metrics, indexes, control, indexRedisUp } = this.#options
    this.#server = server
    for (const part of [this.#heartbeats, this.#probes, this.#exchanges, this.view]) part.start()
    metrics.observe({
      ...{ version: VERSION, view: this.view, clock: skew, indexRedisUp },
      skewMs: () => skew.offsetMs(),
      callsInFlight: () => server.callsInFlight,
      connections: () => server.connections,
      dataRedisUp: () => control.ready,
    })
    this.#health = new HealthMonitor({
      health: server.health,
      dataAnswers: () => this.#dataAnswers(),
      fallbackAnswers: (withinMs) => this.#fallbackAnswers(withinMs),
      indexesServe: () => indexes.serving && indexRedisUp(),
    })
    this.#health.start()
    return this.#http.start()
  }

  /** Stops watching; HTTP goes on telling that this sidecar isn't ready. */
  stopWatching(): void {
    this.#health?.stop()
    for (const part of [this.#exchanges, this.view, this.#heartbeats, this.#probes]) part.stop()
  }

  /** Stops serving HTTP. */
  async stop(): Promise<void> {
    this.stopWatching()
    await this.#http.stop()
    await this.#options.metrics.stop()
  }

  #markWatch(key: TrackedKey, name: string): MarkWatch {
    const { tracking, reads, skew } = this.#options
    return new MarkWatch({
      onChange: (listener) =>
        tracking.onChange((changed) => {
          if (changed === key) listener()
        }),
      read: async () => (await reads.call('GET', name)) as string | null,
      nowMs: () => skew.nowMs(),
    })
  }

  async #dataAnswers(): Promise<boolean> {
    const { reads, keys } = this.#options
    return (await reads.call('GET', keys.clock)) !== null
  }

  #fallbackAnswers(withinMs: number): boolean {
    const { primary } = this.#options
    if (!primary.isElsewhere) return false
    return this.view.others.some(
      (other) => other.region === primary.name && other.claimed && other.answeredWithin(withinMs),
    )
  }

  async #writeProbe(...[probeId, sample, signal]: Parameters<ProbeOptions['write']>) {
    const { primary, writer, peers } = this.#options
    if (primary.isHere) return writer.probe(probeId, sample)
    if (!primary.isElsewhere) throw primary.notHere()
    const request = create(WriteProbeRequestSchema, { probeId, sample })
    const demand = { deadlineMs: Date.now() + PROBE_TIMEOUT_MS, signal }
    try {
      const { writtenAt } = await peers.call(primary.name, PeerService.method.writeProbe, request, demand)
      return { writtenAtMs: writtenAt ? unixMsOf(writtenAt) : Number.NaN }
    } catch (error) {
      if (error instanceof PeerUnreachable) throw primary.noPrimary(error.message, error)
      throw error
    }
  }
}
