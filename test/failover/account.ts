import type { CallError } from '../support/clients.ts'
import { bytes, text } from '../support/two-regions.ts'
import { NAMESPACE, type SentinelRegions, type TriedWrite } from './sentinel-regions.ts'

/** What has become of acknowledged writes. */
export interface Account {
  /** Read in every region, by their own sessions. */
  readonly survived: readonly TriedWrite[]
  /** Gone, and their sessions are told so, in every region. */
  readonly lost: readonly TriedWrite[]
  /** Anything else: silently gone, or different in two regions. */
  readonly violations: readonly string[]
}

const AT_ONCE = 20

/** Asks in every region for every acknowledged write, with the session token that came with it. */
export async function accountFor(regions: SentinelRegions, writes: readonly TriedWrite[]): Promise<Account> {
  const survived: TriedWrite[] = []
  const lost: TriedWrite[] = []
  const violations: string[] = []
  const versions = new Set<string>()
  for (const { version = '', key } of writes) {
    if (versions.has(version)) violations.push(`${key}: position ${version} was issued twice`)
    versions.add(version)
  }
  const left = [...writes]
  const worker = async () => {
    for (let write = left.shift(); write; write = left.shift()) {
      const found = new Set<string>()
      for (const region of regions.regions) found.add(await fate(regions, region, write))
      const [what] = found
      if (found.size === 1 && what === 'survived') survived.push(write)
      else if (found.size === 1 && what === 'lost') lost.push(write)
      else violations.push(`${write.key} at ${write.version}: ${[...found].join(', ')}`)
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, worker))
  return { survived, lost, violations }
}

async function fate(regions: SentinelRegions, region: string, write: TriedWrite): Promise<string> {
  const options = { sessionToken: write.token ?? bytes(''), maxWait: { seconds: 2n } }
  try {
    const { entry } = await regions
      .client(region)
      .cache.get({ namespace: NAMESPACE, key: write.key, options })
    return text(entry?.value) === write.key
      ? 'survived'
      : `${region} answers ${text(entry?.value) ?? 'a miss'}`
  } catch (error) {
    const { details, status } = error as CallError
    return details.reason === 'LOST_HISTORY' ? 'lost' : `${region} fails with ${details.reason ?? status}`
  }
}
