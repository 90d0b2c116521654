import { text } from '../codec.ts'
import { smallRegions } from './small-regions.ts'

/** Small regions of whose nearest sidecar a stream is open, in which `a` is `1`; what was asked until then is forgotten. */
export async function openStream(options: Parameters<typeof smallRegions>[0] = {}) {
  const regions = await smallRegions(options)
  const session = regions.perigee.session()
  const cache = session.cache('answers', { codec: text })
  await cache.set('a', '1')
  await cache.get('a')
  regions.near.multiplex.frames.length = 0
  regions.near.received.length = 0
  const inFlight = async () =>
    (await regions.perigee.explain()).endpoints.map((endpoint) => endpoint.inFlight)
  return { ...regions, session, cache, inFlight }
}
