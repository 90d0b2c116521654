import { setTimeout as pause } from 'node:timers/promises'
import type { LocalCluster } from '@perigee/local-cluster'
import type { Perigee, Receipt } from '@perigee/sdk'
import { percentile } from '../support/percentile.ts'
import { waitFor } from '../support/wait-for.ts'

/** Where a session wrote before it reads in the replica's region. */
export type Writer = 'primary' | 'replica'

/** How a region answered session reads at one distance. */
export interface ReadShares {
  readonly delayMs: number
  readonly writer: Writer
  /** Latencies, in milliseconds, of reads that were answered there at once, there after a wait, and by the primary. */
  readonly local: readonly number[]
  readonly waited: readonly number[]
  readonly forwarded: readonly number[]
}

/** How long after its write was acknowledged a session reads, at most. */
export const AGE_MAX_MS = 1_000
const READS_A_SECOND = 80

/** The region's clients, and the regions between which there is the distance. */
export interface Regions {
  readonly cluster: LocalCluster
  readonly primary: { readonly name: string; readonly client: Perigee }
  readonly replica: { readonly name: string; readonly client: Perigee }
}

/** Puts a distance between the regions, in force when it resolves. */
export async function setDistance({ cluster, primary, replica }: Regions, delayMs: number): Promise<void> {
  await cluster.setLink(primary.name, replica.name, { delayMs })
  await cluster.setLink(replica.name, primary.name, { delayMs })
  await waitFor(
    `${replica.name} to follow at ${delayMs} ms`,
    async () => {
      const session = primary.client.session()
      await session.cache('acceptance').set('settle', delayMs)
      const there = replica.client.session(session.token).cache('acceptance')
      const entry = await there.getEntry('settle', { maxWaitMs: delayMs + 500, whenBehind: 'fail' })
      return entry?.value === delayMs
    },
    { timeoutMs: 60_000 },
  )
}

/**
 * Sessions that write, in one of the regions, and read that in the replica's, each once, 0 to {@link AGE_MAX_MS} after the
 * write was acknowledged. Every read is checked to give what was written.
 */
export async function sessionReads(
  regions: Regions,
  { delayMs, writer, reads }: { delayMs: number; writer: Writer; reads: number },
): Promise<ReadShares> {
  const shares = { local: [] as number[], waited: [] as number[], forwarded: [] as number[] }
  const once = async (i: number) => {
    const session = regions[writer].client.session()
    const key = `${writer}-${delayMs}-${i}`
    await session.cache('acceptance').set(key, i)
    await pause(AGE_MAX_MS * Math.random())
    const there = regions.replica.client.session(session.token).cache('acceptance')
    const from = performance.now()
    const entry = await there.getEntry(key)
    const tookMs = performance.now() - from
    if (entry?.value !== i) throw new Error(`${key} is ${entry?.value}: not what the session wrote`)
    shares[howAnswered(entry.receipt)].push(tookMs)
  }
  const under: Promise<void>[] = []
  for (let i = 0; i < reads; i++) {
    under.push(once(i))
    await pause(1_000 / READS_A_SECOND)
  }
  await Promise.all(under)
  return { delayMs, writer, ...shares }
}

function howAnswered({ fallback, waitedMs }: Receipt): 'local' | 'waited' | 'forwarded' {
  if (fallback) return 'forwarded'
  return waitedMs > 0 ? 'waited' : 'local'
}

/** One line of the table, in Markdown. */
export function shareLine({ delayMs, local, waited, forwarded }: ReadShares): string {
  const all = [...local, ...waited, ...forwarded]
  const part = (some: readonly number[]) => {
    const share = `${((some.length / all.length) * 100).toFixed(0)} %`
    return some.length === 0 ? '0 %' : `${share}: ${times(some)}`
  }
  return `| ${delayMs} ms | ${part(local)} | ${part(waited)} | ${part(forwarded)} | ${times(all)} |`
}

function times(samples: readonly number[]): string {
  return [0.5, 0.99].map((share) => percentile(samples, share).toFixed(1)).join(' / ')
}
