import type { Logger } from 'pino'
import type { Config } from '../config.ts'
import { lookAtAbandoned } from '../redis/abandoned-redis.ts'
import type { RedisConnection } from '../redis/connection.ts'
import { FunctionLibrary } from '../redis/function-library.ts'
import type { Keys } from '../redis/keys.ts'
import { askToLetGo } from '../redis/let-go.ts'
import { Sentinel } from '../redis/sentinel.ts'
import type { TlsFiles } from '../tls/tls-files.ts'
import { AbandonedRegions } from './abandoned-regions.ts'
import { AppointedAuthority } from './appointed-authority.ts'
import { Appointments } from './appointments.ts'
import { ExternalAuthority, SentinelAuthority } from './authority.ts'
import { CatchUp } from './catch-up.ts'
import { Claim } from './claim.ts'
import { ClaimMemory } from './claim-memory.ts'
import { FailoverRequest } from './failover-request.ts'
import { Farewells } from './farewells.ts'
import { Following } from './following.ts'
import { Gate } from './gate.ts'
import type { OtherRegions } from './other-regions.ts'
import { OwnRedis } from './own-redis.ts'
import type { RedisTime } from './redis-time.ts'
import { ReplicaPriority } from './replica-priority.ts'
import { SentinelChoice } from './sentinel-choice.ts'
import { SentinelFollowing } from './sentinel-following.ts'
import { SentinelWatch } from './sentinel-watch.ts'
import type { WayOut } from './way-out.ts'

/** How often each Sentinel is asked whom it names. */
const SENTINEL_MS = 200
const SENTINEL_TIMEOUT_MS = 1000
const LET_GO_TIMEOUT_MS = 1000
const LOOK_TIMEOUT_MS = 1000

/** What there is where Sentinels choose the primary. */
interface BySentinel {
  readonly watch: SentinelWatch
  readonly authority: SentinelAuthority
  readonly failover: FailoverRequest
  readonly choice: SentinelChoice
  readonly priority: ReplicaPriority
}

/** The claim and all that it goes by, as the topology has it. */
export class Claiming {
  readonly claim: Claim
  readonly own: OwnRedis
  readonly memory: ClaimMemory
  /** What operators have promoted. */
  readonly appointments: Appointments
  /** Whom it goes by where the configuration names the primary. */
  readonly appointed: AppointedAuthority | undefined
  /** Whom it goes by where Sentinels do. */
  readonly bySentinel: BySentinel | undefined
  readonly #abandoned: AbandonedRegions

  constructor(options: {
    config: Config
    keys: Keys
    /** The data Redis, over a connection for this and other background work. */
    control: RedisConnection
    /** The index Redis. */
    memory: RedisConnection
    /** For `rediss://`. */
    tls: TlsFiles
    others: OtherRegions
    redisTime: RedisTime
    log: Logger
  }) {
    const { config, keys, control, tls, others, redisTime, log } = options
    const { region, regions, leaseMs, renewMs, logEntriesMax, localAddress } = config
    const library = new FunctionLibrary(control)
    this.own = new OwnRedis({ library, keys, redisTime })
    this.memory = new ClaimMemory({ redis: options.memory, keys, log })
    this.appointments = new Appointments({ regions, memory: this.memory, log })
    const { catchUpMs, catchUpBytesMax } = config
    const catchUp = new CatchUp({ redis: control, catchUpMs, catchUpBytesMax, log })
    let wayOut: WayOut = { by: 'nobody' }
    if (config.topology === 'static') {
      const { appointments } = this
      const primary = config.primary as string
      const appointed = new AppointedAuthority({ region, primary, appointments })
      const following = new Following({
        ...{ region, redis: control, appointments, authority: appointed, others, keys, log },
      })
      wayOut = { by: 'operator', promotions: following, catchUp }
      this.appointed = appointed
    }
    if (config.topology === 'sentinel') {
      const sentinels = config.sentinels.map(
        (url) =>
          new Sentinel({
            ...{ url, localAddress, tls, log, master: config.sentinelName },
            timeoutMs: SENTINEL_TIMEOUT_MS,
          }),
      )
      const watch = new SentinelWatch({ sentinels, intervalMs: SENTINEL_MS, log })
      const anotherIsNamed = () =>
        watch.naming !== undefined && watch.naming.address !== config.dataRedisAddress
      const failover = new FailoverRequest({
        ...{ sentinels, keys, log, anotherIsNamed, memory: options.memory },
      })
      const following = new SentinelFollowing({ redis: control, others, log })
      wayOut = { by: 'sentinel', failover, catchUp, following }
      const address = config.dataRedisAddress
      this.bySentinel = {
        ...{ watch, failover },
        authority: new SentinelAuthority({ watch, address }),
        choice: new SentinelChoice({ sentinels, address }),
        priority: new ReplicaPriority({ data: control, memory: options.memory, keys, log }),
      }
    }
    this.claim = new Claim({
      ...{ region, regions, leaseMs, renewMs, logEntriesMax, keys, library, others, wayOut, log },
      ...{ own: this.own, memory: this.memory },
      authority: this.appointed ?? this.bySentinel?.authority ?? new ExternalAuthority(),
      gate: new Gate({ redis: control, user: config.gateUser, log }),
      farewells: new Farewells({
        ask: (address) =>
          askToLetGo({
            ...{ url: config.controlRedis, address, localAddress, tls, clockKey: keys.clock },
            // Elsewhere the role is all there is to go by: one who takes it would take the other's claim again and again.
            mayRelease: config.topology === 'sentinel',
            timeoutMs: LET_GO_TIMEOUT_MS,
          }),
        addresses: () => others.addresses(),
        onGone: () => this.claim.poke(),
        log,
      }),
    })
    this.#abandoned = new AbandonedRegions({
      ...{ region, regions, leaseMs, others, log },
      look: (address) =>
        lookAtAbandoned({
          ...{ url: config.controlRedis, address, localAddress, tls, clockKey: keys.clock },
          ...{ gateUser: config.gateUser, timeoutMs: LOOK_TIMEOUT_MS },
        }),
      named: () => this.bySentinel?.watch.naming?.address,
      failOver: () => this.bySentinel?.failover.ask(),
    })
    this.bySentinel?.watch.onAnswer(() => this.claim.poke())
  }

  start(): void {
    this.bySentinel?.watch.start()
    this.bySentinel?.failover.start()
    this.bySentinel?.priority.start()
    this.#abandoned.start()
    this.claim.start()
  }

  async stop(): Promise<void> {
    this.#abandoned.stop()
    await this.claim.stop()
    this.bySentinel?.priority.stop()
    this.bySentinel?.failover.stop()
    this.bySentinel?.watch.stop()
  }
}
