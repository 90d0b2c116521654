import type { DescMethod } from '@bufbuild/protobuf'
import {
  CALL_FIELD,
  CacheService,
  MultiplexService,
  REPLY_FIELD,
  SearchService,
  SemanticCacheService,
} from '@perigee/protocol'

/** Where a method's requests and answers go in the frames of Multiplex. */
export interface MultiplexedMethod {
  /** Of `Call`. */
  readonly callField: number
  /** Of `Reply`. */
  readonly replyField: number
}

const field = (name: keyof typeof CALL_FIELD): MultiplexedMethod => ({
  callField: CALL_FIELD[name],
  replyField: REPLY_FIELD[name],
})
const [cache, search, semantic] = [CacheService.method, SearchService.method, SemanticCacheService.method]

/** The methods that Multiplex carries; all others are unary, or streams of their own. */
export const MULTIPLEXED: ReadonlyMap<DescMethod, MultiplexedMethod> = new Map<DescMethod, MultiplexedMethod>(
  [
    [cache.get, field('get')],
    [cache.getMany, field('getMany')],
    [cache.set, field('set')],
    [cache.setMany, field('setMany')],
    [cache.delete, field('delete')],
    [search.search, field('search')],
    [search.getChunks, field('getChunks')],
    [semantic.lookup, field('lookup')],
  ],
)

/** As HTTP/2 names it. */
export const MULTIPLEX_PATH = `/${MultiplexService.typeName}/${MultiplexService.method.multiplex.name}`
