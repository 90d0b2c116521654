import { type Headers as HeaderMap, headerReader } from './header-reader.ts'

/** The header that carries a session's token between services. */
const HEADER = 'perigee-session'

/**
 * The token in a request's or an answer's `perigee-session` header, for `perigee.session()`, which refuses what is no
 * token; `undefined` when there is none.
 */
export function sessionFromHeaders(headers: HeaderMap): string | undefined {
  return headerReader(headers)(HEADER)?.trim() || undefined
}

/** The headers by which a session goes on elsewhere: none before it has seen anything. */
export function sessionToHeaders(session: { readonly token: string }): Record<string, string> {
  return session.token ? { [HEADER]: session.token } : {}
}
