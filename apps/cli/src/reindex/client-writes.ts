import { contentsOf } from './copy-pass.ts'
import { caughtUp, type RegionClients, sessionOfNow } from './region-clients.ts'
import type { ReindexPlan } from './reindex-plan.ts'
import { isLater } from './version.ts'

const AT_ONCE = 100

/** How many chunks of the second index aren't copies of the first one's: clients of the new model wrote them. */
export async function writtenByClients(options: {
  readonly plan: ReindexPlan
  readonly regions: RegionClients
  readonly timeoutMs: number
  readonly signal: AbortSignal
  readonly onProgress: (compared: number) => void
}): Promise<number> {
  const { plan, regions, timeoutMs, signal, onProgress } = options
  const { namespace, source, targetName } = plan
  const name = { namespace, name: targetName }
  const session = await sessionOfNow(regions.home, name, { timeoutMs, signal })
  const first = session.index(source.name, { namespace })
  const second = session.index(targetName, { namespace })
  const read = { consistency: 'primary', timeoutMs, signal } as const
  const ids = new Set<string>()
  const clients = source.regionScoped ? await regions.each() : [['', regions.home] as const]
  for (const [, client] of clients) {
    const index = client.session(session.token).index(targetName, { namespace })
    for await (const { id } of index.list({ view: 'id', pageSize: 1_000, ...caughtUp(signal) })) ids.add(id)
  }
  let own = 0
  let compared = 0
  const rest = [...ids]
  while (rest.length > 0) {
    const batch = rest.splice(0, AT_ONCE)
    const copies = await second.getMany(batch, read)
    const chunks = await first.getMany(batch, read)
    for (const copy of copies.values()) {
      const chunk = chunks.get(copy.id)
      const differs = chunk && contentsOf(chunk) !== contentsOf(copy) && isLater(copy.version, chunk.version)
      if (!chunk || differs) own += 1
    }
    compared += batch.length
    onProgress(compared)
  }
  return own
}
