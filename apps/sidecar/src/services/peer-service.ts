import { create, type DescMethodUnary, fromBinary, type Message, toBinary } from '@bufbuild/protobuf'
import type { Timestamp } from '@bufbuild/protobuf/wkt'
import { type Forks, formatPosition, ORIGIN, type Position } from '@perigee/core'
import {
  ForwardResponseSchema,
  GetRegionResponseSchema,
  InitializeResponseSchema,
  MakeWayResponseSchema,
  PeerService,
  type RegionStatus,
  Role,
  WriteProbeResponseSchema,
} from '@perigee/protocol'
import type { ServiceHandlers, ServiceRegistration, UnaryHandler } from '../grpc/call.ts'
import { methodName } from '../grpc/call.ts'
import type { Appointment } from '../primary/appointments.ts'
import type { Claim } from '../primary/claim.ts'
import { whyNot } from '../primary/claim-state.ts'
import type { OwnReport } from '../primary/own-report.ts'
import { OtherPromotion, type WayMaker } from '../primary/way-maker.ts'
import type { Writer } from '../primary/writer.ts'
import type { PrimaryClock } from '../primary-clock.ts'
import { readError } from '../redis/redis-status.ts'
import { ANONYMOUS, isPrincipalName, type Principal } from '../security/principal.ts'
import { invalidField, refusal } from '../status-error.ts'
import { durationOf, timestampOf, unixMsOf } from '../wire-time.ts'
import type { PrimaryRegion } from './primary-region.ts'
import { otherPromotion } from './promotion/refusals.ts'
import { waitMsOf } from './validation/duration.ts'
import { checkMessage } from './validation/message-walk.ts'

type Handlers = ServiceHandlers<typeof PeerService.method>

/** A promotion that died holds nobody up for longer. */
const HOLD_MS_MAX = 60_000

export interface PeerServiceOptions {
  readonly primary: PrimaryRegion
  readonly claim: Claim
  readonly writer: Writer
  readonly clock: PrimaryClock
  /** Services whose unary methods other sidecars may forward. */
  readonly forwardable: readonly ServiceRegistration[]
  /** What this region's data Redis is and holds. @throws StatusError DATA_UNAVAILABLE */
  readonly report: () => Promise<OwnReport>
  /** The forks of an epoch's history. @throws StatusError DATA_UNAVAILABLE */
  readonly forksOf: (epoch: number) => Promise<Forks>
  /** The newest promotion by an operator that this region knows of. */
  readonly appointment: () => Appointment | undefined
  readonly wayMaker: WayMaker
  /** `host:port` by which all regions know it. */
  readonly redisAddress: string
  readonly usedMemoryBytes: () => number
  /** This region's own status. */
  readonly status: () => RegionStatus | undefined
  readonly exchangeClock: Handlers['exchangeClock']
}

/** `perigee.internal.v1.PeerService`: what sidecars of other regions ask. */
export function createPeerService(options: PeerServiceOptions): ServiceRegistration {
  const { primary, claim, writer, clock, report, redisAddress, usedMemoryBytes, status, exchangeClock } =
    options
  const methods = forwardableMethods(options.forwardable)
  // Without it a claim is told of all the same.
  const historyOf = async (epoch: number) => {
    const forks = await options.forksOf(epoch).catch(() => undefined)
    const entries = forks && [...forks].map(([e, seq]) => [String(e), BigInt(seq)])
    return entries && { epoch: BigInt(epoch), forks: Object.fromEntries(entries) as Record<string, bigint> }
  }

  const handlers: Handlers = {
    exchangeClock,

    async forward({ method: name, request: bytes, fromRegion, deadline, principal }, call) {
      const found = methods.get(name)
      if (!found) throw refusal('NOT_YET', `This sidecar can't take forwarded calls of ${name}; update it.`)
      const { method, handler } = found
      let request: Message
      try {
        request = fromBinary(method.input, bytes)
      } catch {
        throw invalidField('request', `must be a ${method.input.typeName}`)
      }
      checkMessage(method.input, request)
      const deadlineMs = Math.min(call.deadlineMs, hostMsOf(deadline, clock))
      const { signal, waitedMsMax = 0 } = call
      const context = {
        ...{ deadlineMs, waitedMsMax, signal, forwardedFrom: fromRegion },
        principal: forwardedPrincipal(principal),
      }
      const response = await handler(request as never, context)
      return create(ForwardResponseSchema, { response: toBinary(method.output, response as Message) })
    },

    async getRegion() {
      const { held, everHeld, role, newestClaimedEpoch, ...process } = await report()
      const own = status()
      const { epoch } = claim
      const history = epoch === undefined ? undefined : await historyOf(epoch)
      return create(GetRegionResponseSchema, {
        ...(own && { status: own }),
        newestPosition: positionText(everHeld),
        heldPosition: positionText(held),
        primaryRegion: primary.name,
        claimed: epoch !== undefined,
        claimedEpoch: BigInt(epoch ?? 0),
        ...(history && { history }),
        ...appointmentFields(options.appointment()),
        leaseLeft: durationOf(claim.leaseLeftMs),
        redisRole: role === 'master' ? Role.PRIMARY : Role.REPLICA,
        ...{ redisAddress, ...process, newestClaimedEpoch: BigInt(newestClaimedEpoch) },
        usedMemoryBytes: BigInt(usedMemoryBytes()),
      })
    },

    async writeProbe({ probeId, sample }) {
      if (!primary.isHere) throw primary.notHere()
      if (!/^[A-Za-z0-9_-]{1,64}$/.test(probeId)) {
        throw invalidField('probe_id', 'must have 1 to 64 of A-Z, a-z, 0-9, _ and -')
      }
      const { writtenAtMs } = await writer.probe(probeId, sample)
      return create(WriteProbeResponseSchema, { writtenAt: timestampOf(writtenAtMs) })
    },

    async initialize() {
      if (primary.isElsewhere) throw primary.notHere()
      const startedMs = performance.now()
      const done = await claim.initialize()
      if ('why' in done) throw primary.noPrimary(whyNot(claim.state))
      const took = durationOf(performance.now() - startedMs)
      return create(InitializeResponseSchema, { position: formatPosition(done), took })
    },

    async makeWay({ region, promotionId, hold, holdWrites }) {
      try {
        const holdMs = Math.min(waitMsOf('hold', hold, 0), HOLD_MS_MAX)
        const promotion = { region, id: promotionId }
        const { clock, ...made } = await options.wayMaker.makeWay(promotion, {
          holdMs,
          holdsWrites: holdWrites,
        })
        void primary.lookAgain()
        return create(MakeWayResponseSchema, { heldPosition: positionText(clock ?? ORIGIN), ...made })
      } catch (error) {
        throw error instanceof OtherPromotion ? otherPromotion(error) : readError(error)
      }
    },
  }
  return { service: PeerService, handlers: handlers as unknown as ServiceRegistration['handlers'] }
}

function appointmentFields(appointment: Appointment | undefined) {
  if (!appointment) return {}
  return { appointedRegion: appointment.region, appointedEpoch: BigInt(appointment.epoch) }
}

function positionText(position: Position): string {
  return position.epoch === ORIGIN.epoch ? '' : formatPosition(position)
}

/** A time by the primary Redis's clock in this host's milliseconds; infinite when there is none, or nothing is known. */
function hostMsOf(time: Timestamp | undefined, clock: PrimaryClock): number {
  if (!time || !Number.isFinite(clock.uncertaintyMs())) return Number.POSITIVE_INFINITY
  return unixMsOf(time) - (clock.nowMs() - Date.now())
}

function forwardableMethods(registrations: readonly ServiceRegistration[]) {
  const methods = new Map<string, { method: DescMethodUnary; handler: UnaryHandler<never, unknown> }>()
  for (const { service, handlers } of registrations) {
    for (const method of service.methods) {
      const handler = handlers[method.localName]
      if (method.methodKind !== 'unary' || !handler) continue
      methods.set(methodName(method), {
        method: method as DescMethodUnary,
        handler: handler as UnaryHandler<never, unknown>,
      })
    }
  }
  return methods
}

/** Whom the region that forwards a call has let in. */
function forwardedPrincipal(name: string): Principal {
  return isPrincipalName(name) ? { name, kind: 'peer' } : ANONYMOUS
}
