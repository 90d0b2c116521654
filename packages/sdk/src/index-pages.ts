import { type ListIndexesResponse, SearchService } from '@perigee/protocol'
import type { ReadOptions } from './call-options.ts'
import type { Calls } from './calls.ts'

/** The indexes and aliases of a namespace, a page at a time, all from one region. */
export async function* indexPages(
  calls: Calls,
  namespace = 'default',
  options: ReadOptions = {},
): AsyncGenerator<ListIndexesResponse, void, undefined> {
  let pageToken = ''
  let region: string | undefined
  do {
    const fields = { namespace, pageToken }
    const { response, sidecarRegion } = await calls.read(SearchService.method.listIndexes, fields, options, {
      region,
    })
    yield response
    pageToken = response.nextPageToken
    region = sidecarRegion
  } while (pageToken)
}
