/*
 * Which region operators have promoted, where the configuration names the primary (`static`).
 *
 * An appointment is a key of the data, written by the promoted region's claim in the same atomic step and replicated with
 * it, so it lasts as long as the writes that follow it. Its epoch is that claim's: of two, the later one counts, whatever
 * the claims since. The configuration names the primary as long as there is none.
 *
 * A Redis that comes back with older data may lack it. So each region also remembers the newest one in its index Redis, and
 * tells the others of it: an old primary hears of it from anybody, before or after its own claim.
 */
import type { Logger } from 'pino'
import type { ClaimMemory } from './claim-memory.ts'

/** A promotion by an operator that was done. */
export interface Appointment {
  readonly region: string
  /** Of the claim that did it. */
  readonly epoch: number
}

/** As the data Redis and the index Redis keep it. */
export function formatAppointment({ region, epoch }: Appointment): string {
  return `${epoch} ${region}`
}

/** Of its text; `undefined` for any other. */
export function parseAppointment(text: string | null | undefined): Appointment | undefined {
  const [, epoch, region] = /^(\d+) (\S+)$/.exec(text ?? '') ?? []
  return region === undefined ? undefined : { region, epoch: Number(epoch) }
}

/** The newest appointment that this sidecar has heard of. */
export class Appointments {
  readonly #regions: readonly string[]
  readonly #memory: ClaimMemory
  readonly #log: Logger
  #newest: Appointment | undefined
  #remembered = false

  constructor({
    regions,
    memory,
    log,
  }: { /** All regions. */ regions: readonly string[]; memory: ClaimMemory; log: Logger }) {
    this.#regions = regions
    this.#memory = memory
    this.#log = log
  }

  get newest(): Appointment | undefined {
    return this.#newest
  }

  /** Takes note of one, wherever it was heard of. */
  hear(appointment: Appointment | undefined): void {
    // One of a region that was taken out of the configuration since is over.
    if (!appointment || !this.#regions.includes(appointment.region)) return
    if (this.#newest && appointment.epoch <= this.#newest.epoch) return
    this.#newest = appointment
    this.#remembered = false
    this.#log.info(appointment, 'an operator has promoted a region: the configured primary does not count')
  }

  /** Recalls what this region knew before, and keeps what it knows. Does nothing while the index Redis is down. */
  async keep(): Promise<void> {
    if (this.#remembered) return
    const kept = await this.#memory.appointment()
    if (kept === undefined) return
    this.hear(parseAppointment(kept))
    const newest = this.#newest
    if (newest && formatAppointment(newest) !== kept) {
      await this.#memory.rememberAppointment(formatAppointment(newest))
    }
    this.#remembered = newest === this.#newest
  }
}
