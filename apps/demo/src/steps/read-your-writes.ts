import { text } from '@perigee/sdk'
import { promise } from '../broken-promise.ts'
import type { Demo } from '../demo.ts'
import { timed } from '../latencies.ts'
import { poll } from '../poll.ts'
import { distanceMs, primary, type Region, replicas } from '../regions.ts'
import { type Service, serviceIn } from '../services.ts'
import { ms } from '../terminal/format.ts'

const key = 'greeting'

/** Of reading a value before it can have arrived. */
const ATTEMPTS = 10

export interface ReadAfterWrite {
  region: Region
  /** Without a session: from the write's acknowledgement until a read here returned it. */
  freshAfterMs: number
  /** With the writer's session: how long the one read took that had to return it. */
  withSessionMs: number
  /** Which region answered that one. */
  answeredBy: string
}

/** A value written at us-east-1 and read at once in each replica, without a session and with one. */
export async function readYourWrites(demo: Demo): Promise<ReadAfterWrite[]> {
  const { report, services } = demo
  report.step(`Write at ${primary}, read at once elsewhere`)
  const writer = serviceIn(services, primary)
  const reads: ReadAfterWrite[] = []
  for (const region of replicas) {
    const reader = serviceIn(services, region)
    await settle(demo, writer, reader, `the old value, for ${region}`)
    const freshAfterMs = await readWithoutSession(demo, writer, reader)
    const { answeredBy, tookMs } = await readWithSession(writer, reader)
    reads.push({ region, freshAfterMs, withSessionMs: tookMs, answeredBy })
  }
  report.table(
    ['reader in', 'without a session', 'with the session of the writer'],
    reads.map(({ region, freshAfterMs, withSessionMs, answeredBy }) => [
      region,
      `stale, fresh after ${ms(freshAfterMs)}`,
      `right at once: ${ms(withSessionMs)}, ${answeredBy === region ? 'waited for it there' : `asked ${answeredBy}`}`,
    ]),
  )
  report.check('a session token reads its own writes in every region, at the first try')
  return reads
}

async function settle(demo: Demo, writer: Service, reader: Service, value: string): Promise<void> {
  await greetings(writer.nearest).set(key, value)
  await waitFor(demo, reader, value)
}

async function readWithoutSession(demo: Demo, writer: Service, reader: Service): Promise<number> {
  const { region } = reader
  for (let attempt = 1; ; attempt++) {
    const value = `new value ${attempt}, for ${region}`
    const begun = performance.now()
    await greetings(writer.nearest).set(key, value)
    const acknowledged = performance.now()
    const first = await greetings(reader.nearest).get(key)
    promise(first !== undefined, `A read in ${region} returned nothing, though there is an older value.`)
    // On a busy machine the value may be there before the writer hears of it: then the read shows nothing.
    const slow = performance.now() - begun >= distanceMs[region]
    if (first === value && slow && attempt < ATTEMPTS) continue
    promise(
      first !== value,
      slow
        ? `A write and a read after it took longer than the ${distanceMs[region]} ms to ${region}, ${ATTEMPTS} times. Is something else busy on this machine?`
        : `A read in ${region}, ${distanceMs[region]} ms from ${primary}, returned a value that cannot have arrived yet.`,
    )
    await waitFor(demo, reader, value)
    return performance.now() - acknowledged
  }
}

async function readWithSession(
  writer: Service,
  reader: Service,
): Promise<{ tookMs: number; answeredBy: string }> {
  const value = `the newest value, for ${reader.region}`
  const writing = writer.nearest.session()
  await greetings(writing).set(key, value)
  // As a cookie or a header would carry it from one service to the other.
  const reading = reader.nearest.session(writing.token)
  const { ms: tookMs, result: entry } = await timed(() => greetings(reading).getEntry(key))
  promise(
    entry?.value === value,
    `A read in ${reader.region} with the writer's session returned ${JSON.stringify(entry?.value)} instead of what was written.`,
  )
  return { tookMs, answeredBy: entry.receipt.region }
}

async function waitFor(demo: Demo, reader: Service, value: string): Promise<void> {
  await poll(async () => ((await greetings(reader.nearest).get(key)) === value ? true : undefined), {
    timeoutMs: 5_000,
    everyMs: 1,
    explain: () => `${reader.region} has not received a value written at ${primary}.`,
    signal: demo.signal,
  })
}

const greetings = (client: Pick<Service['nearest'], 'cache'>) => client.cache('greetings', { codec: text })
