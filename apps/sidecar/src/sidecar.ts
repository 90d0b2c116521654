import { create } from '@bufbuild/protobuf'
import { GetRegionRequestSchema, PeerService, Role, SemanticCacheService } from '@perigee/protocol'
import type { Logger } from 'pino'
import type { Config } from './config.ts'
import { IndexKeeper } from './follower/index-keeper.ts'
import { notYetService } from './grpc/not-yet.ts'
import { PeerClient } from './grpc/peer-client.ts'
import type { PeerTls } from './grpc/peer-credentials.ts'
import { PeerRefused } from './grpc/peer-error.ts'
import { GrpcServer } from './grpc/server.ts'
import { withForwardMany } from './multiplex/forward-many.ts'
import { GroupReader } from './multiplex/get-group.ts'
import { multiplexedMethods } from './multiplex/methods.ts'
import { createMultiplexService } from './multiplex/multiplex-service.ts'
import { GroupWriter } from './multiplex/set-group.ts'
import { adviceOf } from './primary/claim-state.ts'
import { Claiming } from './primary/claiming.ts'
import { Heartbeat } from './primary/heartbeat.ts'
import { OwnReporter } from './primary/own-report.ts'
import { hostNowMs, RedisTime } from './primary/redis-time.ts'
import { ReplicatedWrites, WAIT_MS_MAX } from './primary/replicated-writes.ts'
import { SetEach } from './primary/set-each.ts'
import { Sweep } from './primary/sweep.ts'
import { WayMaker } from './primary/way-maker.ts'
import { Writer } from './primary/writer.ts'
import { ClockWatch } from './redis/clock-watch.ts'
import { RedisConnection } from './redis/connection.ts'
import { DataRedis } from './redis/data-redis.ts'
import { FunctionLibrary } from './redis/function-library.ts'
import { HistoryReader } from './redis/history.ts'
import { Keys } from './redis/keys.ts'
import { LeanRedis } from './redis/lean-redis.ts'
import { Tracking } from './redis/tracking.ts'
import { Security } from './security/security.ts'
import { createCacheService } from './services/cache-service.ts'
import { NewestHistory } from './services/newest-history.ts'
import { appointmentOf, PeerRegions } from './services/other-regions.ts'
import { OwnState } from './services/own-state.ts'
import { createPeerService } from './services/peer-service.ts'
import { PrimaryRegion } from './services/primary-region.ts'
import { PrimaryWritePath } from './services/primary-write-path.ts'
import { promotionOf } from './services/promotion/promotable.ts'
import { type Promotable, promoteHandler } from './services/promotion/promote-handler.ts'
import { RegionalReadPath } from './services/regional-read-path.ts'
import { DriftWatch } from './services/search/drift-watch.ts'
import { createSearchService } from './services/search/search-service.ts'
import { Metrics } from './status/metrics.ts'
import { Monitoring } from './status/monitoring.ts'
import { OtherRegion } from './status/other-region.ts'
import { SkewEstimate } from './status/skew.ts'
import { SidecarTls } from './tls/sidecar-tls.ts'

/** Writes wait longer than reads for a slow Redis: a read can be asked elsewhere, a write's outcome would be unknown. */
const WRITE_PATIENCE = 4

/** Groups of REPLICATED writes that may wait for replicas at once. */
const REPLICATED_LANES = 4

/** How long one exchange of clocks with the primary's sidecar may take. */
const EXCHANGE_TIMEOUT_MS = 2000

/** Pause between an answer of another region and the next question. */
const PEER_PAUSE_MS = 250
/** How long another region may take to answer. One answer may be lost without the fallback's silence being noticed. */
const PEER_TIMEOUT_MS = 600

/** The sidecar: builds everything, starts and stops it in order. */
export class Sidecar {
  readonly #config: Config
  readonly #log: Logger
  readonly #tls: SidecarTls
  readonly #server: GrpcServer
  readonly #connections: readonly RedisConnection[]
  readonly #values: LeanRedis
  readonly #sets: LeanRedis
  readonly #tracking: Tracking
  readonly #peers: PeerClient
  readonly #sibling: OtherRegion | undefined
  readonly #claiming: Claiming
  readonly #promotion: Promotable
  readonly #heartbeat: Heartbeat
  readonly #sweep: Sweep
  readonly #indexKeeper: IndexKeeper
  readonly #drift: DriftWatch
  readonly #monitoring: Monitoring
  readonly #security: Security

  constructor(config: Config, log: Logger) {
    this.#config = config
    this.#log = log
    const { region, regions, limits, logEntriesMax, localAddress, redisTimeoutMs } = config
    const keys = new Keys(config.prefix)
    this.#tls = new SidecarTls(config.tls, log)
    this.#security = new Security(config, log)
    const { access } = this.#security
    const way = { localAddress, tls: this.#tls.redis }

    const connect = (name: string, url: string, timeoutMs = redisTimeoutMs) =>
      new RedisConnection({ name, url, timeoutMs, ...way, log })
    const reads = connect('reads', config.dataRedis)
    this.#values = new LeanRedis({
      ...{ name: 'values', url: config.dataRedis, timeoutMs: redisTimeoutMs, ...way, log },
    })
    const bulk = connect('bulk', config.dataRedis, redisTimeoutMs * WRITE_PATIENCE)
    const writes = connect('writes', config.dataRedis, redisTimeoutMs * WRITE_PATIENCE)
    this.#sets = new LeanRedis({
      ...{ name: 'sets', url: config.dataRedis, timeoutMs: redisTimeoutMs * WRITE_PATIENCE, ...way, log },
    })
    const control = connect('control', config.controlRedis)
    const info = new RedisConnection({
      ...{ name: 'info', url: config.dataRedis, timeoutMs: redisTimeoutMs, ...way, log },
      whileLoading: true,
    })
    const memory = connect('memory', config.indexRedis)
    // So many replicas that every majority of regions has a write; a single region has none.
    const replicas = Math.floor(regions.length / 2)
    const lanes = Array.from({ length: replicas > 0 ? REPLICATED_LANES : 0 }, (_, i) =>
      connect(`replicated-${i + 1}`, config.dataRedis, WAIT_MS_MAX + redisTimeoutMs * WRITE_PATIENCE),
    )
    this.#connections = [reads, bulk, writes, control, info, memory, ...lanes]
    this.#tracking = new Tracking({
      url: config.dataRedis,
      ...way,
      keys,
      timeoutMs: redisTimeoutMs,
      log,
    })

    const redisTime = new RedisTime()
    const primaryClock = new SkewEstimate({
      hostNowMs,
      own: () => (primary.name === region ? redisTime : undefined),
      exchange: (request) =>
        this.#peers.call(primary.name, PeerService.method.exchangeClock, request, {
          deadlineMs: Date.now() + EXCHANGE_TIMEOUT_MS,
        }),
    })
    const history = new HistoryReader({ connection: reads, keys })
    const watch = new ClockWatch({ connection: reads, keys, tracking: this.#tracking })
    const data = new DataRedis({ reads, values: this.#values, bulk, keys, history, watch, primaryClock })

    const siblings = { region, addresses: config.siblings }
    this.#peers = new PeerClient({
      peers: config.peers,
      siblings,
      connectMs: config.peerConnectMs,
      messageBytesMax: config.limits.messageBytesMax,
      tls: this.#peerTls(),
      token: () => this.#security.peerToken,
    })
    const others = this.#peers.regions.map((other) => this.#otherRegion(other))
    this.#sibling = this.#peers.reaches(region) ? this.#otherRegion(region) : undefined
    const says = new PeerRegions(others)
    this.#claiming = new Claiming({
      config,
      keys,
      control,
      memory,
      tls: this.#tls.redis,
      redisTime,
      log,
      others: says,
    })
    const { claim, own, appointments } = this.#claiming
    for (const other of others) other.onAnswer(() => appointments.hear(appointmentOf(other.newest)))
    const primary = new PrimaryRegion({
      ...{ region, claim, others, peers: this.#peers, clock: primaryClock },
      sibling: this.#sibling,
      configured: config.primary,
    })
    // The clock of another Redis is another clock.
    primary.onChange(() => {
      primaryClock.forget()
      primaryClock.measure().catch(() => {})
    })
    primary.onChange((name) => log.info({ primary: name }, 'the primary is another region now'))
    const library = new FunctionLibrary(writes)
    const replicated =
      replicas > 0
        ? new ReplicatedWrites({ lanes: lanes.map((lane) => new FunctionLibrary(lane)), keys, replicas })
        : undefined
    const writer = new Writer({ library, keys, claim, history, redisTime, logEntriesMax, replicated })
    const setEach = new SetEach({ library, lean: this.#sets, keys, history, redisTime })
    const background = new FunctionLibrary(control)
    this.#heartbeat = new Heartbeat({ library: background, keys, claim, intervalMs: config.heartbeatMs })
    this.#sweep = new Sweep({
      library: background,
      keys,
      claim,
      writer,
      redisTime,
      intervalMs: config.sweepMs,
      log,
    })

    const stalenessMs = () => this.#monitoring.lag.lag()?.lagMs
    const ownState = new OwnState({ primary, data, stalenessMs, newestHistory: new NewestHistory(others) })
    const readPath = new RegionalReadPath({ primary, data, ownState, maxWaitMs: config.maxWaitMs })
    const writePath = new PrimaryWritePath({ primary, data, limits })

    const cacheService = createCacheService({
      ...{ data, writer, readPath, writePath, limits },
      defaultTtlMs: config.defaultTtlMs,
    })
    this.#indexKeeper = new IndexKeeper({
      ...{ region, keys, log, changeLog: data, clock: primaryClock },
      ...{
        url: config.indexRedis,
        tls: this.#tls.redis,
        searchTimeoutMs: config.searchTimeoutMs,
        staleAfterMs: config.staleAfterMs,
        replicationLagMs: stalenessMs,
      },
    })
    this.#drift = new DriftWatch({ indexes: this.#indexKeeper.indexes, intervalMs: config.driftMs })
    const searchService = createSearchService({
      ...{ regions, limits, data, writer, readPath, writePath, primaryClock },
      indexes: this.#indexKeeper.indexes,
      drift: this.#drift,
      otherRegions: () => this.#monitoring.otherRegionsIndexes,
      searchTimeoutMs: config.searchTimeoutMs,
    })
    const reporter = new OwnReporter({ reads, keys, watch, own, memory: this.#claiming.memory })
    const wayMaker = new WayMaker({ region, library: background, keys })
    this.#promotion = promotionOf({
      ...{ config, claiming: this.#claiming, wayMaker, others, says, peers: this.#peers, log },
      mayLack: async () => {
        const { justRestarted, appendsAlways } = await reporter.read()
        return justRestarted && !appendsAlways
      },
    })
    const peerService = createPeerService({
      ...{ primary, claim, writer, clock: primaryClock },
      forwardable: [cacheService, searchService],
      report: () => reporter.read(),
      forksOf: async (epoch) => (await history.of(epoch)).forks,
      ...{ wayMaker, appointment: () => appointments.newest, redisAddress: config.dataRedisAddress },
      usedMemoryBytes: () => this.#monitoring.view.own.info?.usedMemoryBytes ?? 0,
      status: () => this.#monitoring.view.own.status(),
      exchangeClock: (...call) => this.#monitoring.exchangeClock(...call),
    })

    const metrics = new Metrics()
    metrics.observeDrift(this.#drift)
    metrics.observeCertificates(this.#tls)
    this.#monitoring = new Monitoring({
      ...{ config, log, keys, reads, control, info, watch, primary, writer, metrics },
      tls: this.#tls.server,
      ...{ tracking: this.#tracking, peers: this.#peers, others, skew: primaryClock },
      advice: () => adviceOf(claim.state),
      promote: promoteHandler({ region, regions, promotion: this.#promotion, peers: this.#peers }),
      regressed: () => claim.state.kind === 'regressed' || claim.state.kind === 'catching-up',
      indexRedisUp: () => memory.ready,
      indexes: this.#indexKeeper.indexes,
      ...{ audit: this.#indexKeeper.audit, access },
    })
    this.#server = new GrpcServer({
      ...{ listen: config.grpcListen, tls: this.#tls.server, limits, log, observer: metrics },
      ...{
        traffic: config.traffic,
        unaryDeadlineMs: config.defaultDeadlineMs,
        access,
        reflection: config.auth.reflection,
      },
    })
    this.#server.add(cacheService)
    this.#server.add(searchService)
    this.#server.add(this.#monitoring.clusterService)
    const semanticCacheService = notYetService(SemanticCacheService)
    this.#server.add(semanticCacheService)
    const methods = multiplexedMethods([cacheService, searchService, semanticCacheService])
    const frames = {
      reader: new GroupReader({ data, ownState }),
      writer: new GroupWriter({ primary, writePath, setEach }),
      ...{ limits, defaultTtlMs: config.defaultTtlMs },
    }
    this.#server.add(createMultiplexService({ ...frames, methods }))
    this.#server.add(withForwardMany(peerService, frames))
  }

  /** How the sidecars of a region are called: by the name that clients look for them, or whatever address they have. */
  #peerTls(): ((region: string) => PeerTls) | undefined {
    const files = this.#tls.peers
    const log = this.#log
    return files && ((region) => ({ files, name: `api.${region}.${this.#config.domain}`, log }))
  }

  #otherRegion(region: string): OtherRegion {
    let refused = false
    const hear = (error: unknown) => {
      const now = error instanceof PeerRefused
      if (now && !refused) this.#log.error({ peer: region }, error.message)
      refused = now
      throw error
    }
    const ask = async () => {
      const demand = { deadlineMs: Date.now() + PEER_TIMEOUT_MS }
      const request = create(GetRegionRequestSchema)
      const asked = this.#peers.call(region, PeerService.method.getRegion, request, demand)
      const answer = await asked.catch(hear)
      refused = false
      // Another sidecar of that region may have the claim that this one doesn't share.
      if (!answer.claimed && answer.redisRole === Role.PRIMARY) this.#peers.tryAnother(region)
      return answer
    }
    return new OtherRegion({ region, ask, intervalMs: PEER_PAUSE_MS })
  }

  /**
   * Starts to serve; Redis and the other regions may come later.
   *
   * @throws when an address can't be bound.
   */
  async start(): Promise<void> {
    this.#tls.start()
    this.#security.start()
    for (const connection of this.#connections) connection.start()
    this.#values.start()
    this.#sets.start()
    this.#tracking.start()
    this.#peers.start()
    this.#sibling?.start()
    this.#claiming.start()
    this.#heartbeat.start()
    this.#sweep.start()
    this.#indexKeeper.start()
    this.#drift.start()
    const httpPort = await this.#monitoring.start(this.#server)
    const port = await this.#server.start()
    this.#log.info(
      { grpc: this.#config.grpcListen, port, httpPort, regions: this.#config.regions },
      'serving',
    )
  }

  /** Finishes the calls in flight, then closes everything. */
  async stop(): Promise<void> {
    await this.#server.drain(this.#config.drainMs, this.#config.drainDelayMs)
    await this.#promotion.stop?.()
    this.#monitoring.stopWatching()
    this.#drift.stop()
    await this.#indexKeeper.stop()
    this.#sweep.stop()
    this.#heartbeat.stop()
    await this.#claiming.stop()
    this.#sibling?.stop()
    this.#peers.stop()
    this.#tracking.stop()
    for (const connection of this.#connections) connection.stop()
    this.#values.stop()
    this.#sets.stop()
    await this.#monitoring.stop()
    this.#tls.stop()
    this.#security.stop()
    this.#log.info('stopped')
  }
}
