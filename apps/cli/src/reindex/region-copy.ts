import type { Perigee } from '@perigee/sdk'
import { EXIT } from '../exit-code.ts'
import { Failure } from '../failure.ts'
import { caughtUp } from './region-clients.ts'

const ATTEMPTS = 3

/** Resolves when a region's own copy of an index, or of an alias's, includes what a session has seen. */
export async function includes(
  client: Perigee,
  { namespace, name, token }: { readonly namespace: string; readonly name: string; readonly token: string },
  signal: AbortSignal,
): Promise<void> {
  const index = client.session(token).index(name, { namespace })
  for await (const _ of index.list({ view: 'id', pageSize: 1, ...caughtUp(signal) })) return
}

/**
 * Holds a region's copy of an index against its chunks, and mends it if it differs.
 *
 * @returns how many chunks there are.
 * @throws Failure when it still differs.
 */
export async function verifiedChunks(
  perigee: Perigee,
  copy: {
    readonly region: string
    readonly namespace: string
    readonly index: string
    readonly signal: AbortSignal
  },
): Promise<number> {
  const { region, index, ...options } = copy
  let faults = 0
  for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
    const repair = attempt > 1
    for await (const found of perigee.cluster.verifyIndex(index, { ...options, region, repair })) {
      if (!found.done) continue
      faults = found.missing + found.outdated + found.orphaned
      if (faults === 0) return found.checked
    }
  }
  throw new Failure({
    message: `${region}'s copy of ${index} differs from its chunks in ${faults} places, also after it was mended`,
    hint: `\`perigee rebuild ${index} --region ${region}\` fills it anew; then --resume`,
    code: 'DIFFERENT',
    exitCode: EXIT.DIFFERENT,
  })
}
