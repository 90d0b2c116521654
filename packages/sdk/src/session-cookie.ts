import { tokenFromString } from '@perigee/core'
import { type Headers as HeaderMap, headerReader } from './header-reader.ts'
import { invalidArgument } from './perigee-error.ts'

const DEFAULT_NAME = 'perigee-session'
const DEFAULT_MAX_AGE_SECONDS = 24 * 60 * 60
/** RFC 6265's token. */
const NAME = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/
/** What may stand in an attribute's value without ending it. */
const ATTRIBUTE = /^[\x20-\x3a\x3c-\x7e]*$/

/** How a session's cookie is set. */
export interface SessionCookieOptions {
  /** Default: `perigee-session`. */
  readonly name?: string | undefined
  /** Paths it is sent with. Default: `/`, all of them. */
  readonly path?: string | undefined
  /** Hosts it is sent to, with their subdomains. Default: the host that sets it, alone. */
  readonly domain?: string | undefined
  /** How long a browser keeps it, in seconds; 0 deletes it. Default: a day. */
  readonly maxAgeSeconds?: number | undefined
  /** Send it over TLS alone. Default: true. */
  readonly secure?: boolean | undefined
  /** Default: `lax`. */
  readonly sameSite?: 'strict' | 'lax' | 'none' | undefined
}

/**
 * The token in the session cookie of a request; `undefined` when there is none. What isn't a token is left out, since
 * anyone can send anything, and a browser couldn't mend it.
 *
 * @param options.name as it was set.
 */
export function sessionFromCookie(
  headers: HeaderMap,
  options: Pick<SessionCookieOptions, 'name'> = {},
): string | undefined {
  const name = nameOf(options)
  for (const pair of (headerReader(headers)('cookie') ?? '').split(';')) {
    const equals = pair.indexOf('=')
    if (equals < 0 || pair.slice(0, equals).trim() !== name) continue
    const value = pair.slice(equals + 1).trim()
    const token = value.startsWith('"') && value.endsWith('"') ? value.slice(1, -1) : value
    if (isToken(token)) return token
  }
  return undefined
}

/**
 * The value of a `Set-Cookie` header by which a session goes on with the browser's next request; `undefined` before the
 * session has seen anything. Scripts of the page can't read the cookie.
 *
 * @throws PerigeeError `INVALID_ARGUMENT` for an option that no cookie can have.
 */
export function sessionToCookie(
  session: { readonly token: string },
  options: SessionCookieOptions = {},
): string | undefined {
  const { path = '/', domain, secure = true, sameSite = 'lax' } = options
  const name = nameOf(options)
  const maxAge = options.maxAgeSeconds ?? DEFAULT_MAX_AGE_SECONDS
  if (!Number.isInteger(maxAge) || maxAge < 0) {
    throw invalidArgument(`maxAgeSeconds is a whole number of seconds, not ${maxAge}`, 'maxAgeSeconds')
  }
  if (sameSite === 'none' && !secure) {
    throw invalidArgument("browsers drop a cookie with sameSite 'none' that isn't secure", 'sameSite')
  }
  if (!session.token) return undefined
  const attributes = [
    `${name}=${session.token}`,
    `Path=${attribute('path', path)}`,
    ...(domain === undefined ? [] : [`Domain=${attribute('domain', domain)}`]),
    `Max-Age=${maxAge}`,
    'HttpOnly',
    ...(secure ? ['Secure'] : []),
    `SameSite=${SAME_SITE[sameSite]}`,
  ]
  return attributes.join('; ')
}

const SAME_SITE = { strict: 'Strict', lax: 'Lax', none: 'None' } as const

function nameOf({ name = DEFAULT_NAME }: Pick<SessionCookieOptions, 'name'>): string {
  if (NAME.test(name)) return name
  throw invalidArgument(`a cookie's name has letters, digits, - and _, not ${JSON.stringify(name)}`, 'name')
}

function attribute(field: string, value: string): string {
  if (ATTRIBUTE.test(value)) return value
  throw invalidArgument(`${field} can't stand in a cookie: ${JSON.stringify(value)}`, field)
}

function isToken(text: string): boolean {
  try {
    tokenFromString(text)
    return true
  } catch {
    return false
  }
}
