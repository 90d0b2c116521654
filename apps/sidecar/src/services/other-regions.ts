import { laterPosition, ORIGIN, type Position, parsePosition } from '@perigee/core'
import { type GetRegionResponse, Role } from '@perigee/protocol'
import type { Appointment } from '../primary/appointments.ts'
import type { OtherRegionNow, OtherRegionSays, OtherRegions } from '../primary/other-regions.ts'
import type { OtherRegion } from '../status/other-region.ts'

/** What the other regions' sidecars answer, as claims need it. */
export class PeerRegions implements OtherRegions {
  readonly #regions: readonly OtherRegion[]
  #newestEpoch = 0

  constructor(regions: readonly OtherRegion[]) {
    this.#regions = regions
    this.onAnswer(() => this.newestEpoch())
  }

  since(ms: number): ReadonlyMap<string, OtherRegionNow> {
    return new Map(
      this.#regions.map((other) => {
        const answer = other.since(ms)
        return [other.region, typeof answer === 'string' ? answer : whatItSays(answer)]
      }),
    )
  }

  addresses(): ReadonlyMap<string, string | undefined> {
    return new Map(this.#regions.map(({ region, newest }) => [region, newest?.redisAddress || undefined]))
  }

  newestEpoch(): number {
    for (const { newest } of this.#regions) {
      if (!newest) continue
      const claimed = Math.max(Number(newest.claimedEpoch), Number(newest.newestClaimedEpoch))
      this.#newestEpoch = Math.max(this.#newestEpoch, claimed, positionOf(newest.newestPosition).epoch)
    }
    return this.#newestEpoch
  }

  onAnswer(listener: () => void): void {
    for (const other of this.#regions) other.onAnswer(listener)
  }
}

/** The newest promotion by an operator that a region tells of. */
export function appointmentOf(answer: GetRegionResponse | undefined): Appointment | undefined {
  if (!answer?.appointedRegion) return undefined
  return { region: answer.appointedRegion, epoch: Number(answer.appointedEpoch) }
}

function whatItSays(answer: GetRegionResponse): OtherRegionSays {
  const held = positionOf(answer.heldPosition)
  return {
    held,
    everHeld: laterPosition(held, positionOf(answer.newestPosition)),
    role: ROLES[answer.redisRole] ?? 'unknown',
    claimedEpoch: Number(answer.claimedEpoch),
    address: answer.redisAddress,
    mayLack: answer.justRestarted && !answer.appendsAlways,
    usedMemoryBytes: Number(answer.usedMemoryBytes),
  }
}

const ROLES: Partial<Record<Role, 'master' | 'replica'>> = {
  [Role.PRIMARY]: 'master',
  [Role.REPLICA]: 'replica',
}

function positionOf(text: string): Position {
  return text === '' ? ORIGIN : (parsePosition(text) ?? ORIGIN)
}
